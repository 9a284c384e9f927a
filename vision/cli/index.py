"""``vision index``: make images searchable by what they show."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vision.artifacts.model_place import is_published
from vision.cli.assignments import fill_places, read_assignments
from vision.cli.evaluate import model_problems
from vision.data.given_images import find_images
from vision.data.problems import EqualProblems
from vision.progress_bar import progress_bar
from vision.reports.formatting import printable
from vision.settings.counted import counted
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.run import RunSettings

HELP = """\
Usage: vision index FILE|FOLDER|GLOB|FILE.rec ... model=MODEL output=INDEX [run.NAME=VALUE]

Makes a vector of each image, by which `vision search` finds what looks like it and `vision duplicates` finds copies.
Images that are in the index with the same bytes are passed over, so that the same command adds what is new and goes
on where it was interrupted.

  model   a model folder, a model.tar.gz or a run folder: its base network sees the images; a baseline measures
          shapes, colors, texture and visual words; imagenet (ResNet-50) and timm:NAME take published weights, and
          classical measures shapes, colors and texture without any
  output  the folder of the index
  run     run settings, for example run.weights_folder=weights, run.device=cpu (vision train --help lists them)

The exit status is 1 if an image could not be read.

Example: vision index photos model=runs/flowers output=index
         vision search index photo.jpg top=5"""

SOME_FAILED = 1
_MOST_SENTENCES = 10


def run(argv: Sequence[str]) -> int:
    """Index every image. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    words = read_assignments(argv, names=("images", "model", "output"), sections=("run",), allow_files=True)
    given = fill_places(words, (), takes_more=True)
    problems = [
        f"Setting {name} is required but missing: give {name}={example}."
        for name, example in (("model", "PATH"), ("output", "INDEX"))
        if not given.names.get(name)
    ]
    model = given.names.get("model", "")
    settings = RunSettings()
    try:
        settings = RunSettings.parse(given.sections["run"])
    except SettingsError as error:
        problems += error.problems
    if model and not is_published(model):
        problems += model_problems("model", model)
    if problems:
        raise SettingsError(problems)
    paths = find_images([*filter(None, [given.names.get("images")]), *given.files])
    # Imported after the settings are checked: importing torch takes seconds.
    from vision.retrieval.embedding_model import EmbeddingModel, contents_of
    from vision.retrieval.indexing import index_images

    failed, folder = EqualProblems(), local_path(given.names["output"])
    with progress_bar("indexing", len(paths)) as advance:
        embedding = EmbeddingModel.open(model, settings)
        found = index_images(folder, embedding, contents_of(paths, advance), failed.add_sentence)
    for sentence in failed.lines(_MOST_SENTENCES):
        print(f"vision: not indexed: {printable(sentence)}", file=sys.stderr)
    print(
        f"{folder}: {counted(found.added, 'image')} added, {found.known} were there, {found.failed} could not be read"
    )
    return SOME_FAILED if found.failed else 0

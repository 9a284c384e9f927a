"""``vision label``: choose the images that are worth a label, and hand them to a labeling tool."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vision.cli.assignments import fill_places, read_assignments
from vision.cli.evaluate import model_problems
from vision.data.given_images import pool_images
from vision.data.problems import EqualProblems
from vision.files.atomic_file import check_new_folder
from vision.labeling.selection import WAYS
from vision.progress_bar import progress_bar
from vision.reports.formatting import printable
from vision.settings.counted import counted
from vision.settings.errors import SettingsError, UserError
from vision.settings.file_names import local_path
from vision.settings.nearest import did_you_mean, shown
from vision.settings.run import RunSettings

HELP = """\
Usage: vision label select IMAGES ... model=MODEL output=FOLDER [count=200] [by=mixed] [labeled=INDEX]
                           [images=copy|link] [run.NAME=VALUE]

Chooses the images of a pool that are worth a label and writes them into FOLDER with what the model proposes:
label_studio.json (with its configuration, label_studio.xml), cvat.xml, proposed.manifest (Ground Truth,
human-annotated: no), selected.jsonl, and the images.

  count    how many images to choose
  by       uncertainty: those on which the model is the least sure; diverse: those that differ the most from each other
           and from labeled ones; mixed: different ones among the least sure (default, and the best with few labels)
  model    a model folder, a model.tar.gz or a run folder
  labeled  an index that `vision index` made of the labeled images by the same model, to choose what differs from them
  images   how they come into the folder
  run      run settings, for example run.device=cpu (vision train --help lists them)

Labeled there, they come back by `vision convert export.json flowers.manifest to=manifest`, and train with the others.

Example: vision label select pool model=runs/flowers output=to-label count=50"""

SOME_FAILED = 1
_MOST_SENTENCES = 10
_MOST = 100_000
_NAMES = ("model", "output", "count", "by", "labeled", "images")


def run(argv: Sequence[str]) -> int:
    """Choose images and write the files. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    word, *rest = argv or [""]
    if word != "select":
        raise UserError(f"vision label {shown(word)} is unknown: {did_you_mean(word, ('select',))}")
    given = fill_places(read_assignments(rest, names=_NAMES, sections=("run",), allow_files=True), (), takes_more=True)
    names = {"count": "200", "by": "mixed", "images": "copy", **given.names}
    missing = [name for name in ("model", "output") if not names.get(name)]
    problems = [f"Setting {name} is required but missing: give {name}=PATH." for name in missing]
    count, by = names["count"], names["by"]
    if not (count.isascii() and count.isdigit() and 1 <= int(count) <= _MOST):
        problems.append(f"Setting count is {shown(count)} but must be a whole number from 1 to {_MOST:,}.")
    for name, allowed in (("by", WAYS), ("images", ("copy", "link"))):
        if names[name] not in allowed:
            problems.append(f"Setting {name} is {shown(names[name])} but must be one of {', '.join(allowed)}.")
    settings = RunSettings()
    try:
        settings = RunSettings.parse(given.sections["run"])
    except SettingsError as error:
        problems += error.problems
    if names.get("model"):
        problems += model_problems("model", names["model"])
    if problems:
        raise SettingsError(problems)
    folder = local_path(names["output"])
    check_new_folder(folder)
    paths = pool_images(given.files)
    # Imported after the settings are checked: importing torch takes seconds.
    from vision.labeling.hand_off import Wish, hand_off
    from vision.retrieval.embedding_model import contents_of

    labeled = local_path(names["labeled"]) if names.get("labeled") else None
    way = next(way for way in WAYS if way == by)
    wish = Wish(int(count), way, "link" if names["images"] == "link" else "copy", labeled)
    failed = EqualProblems()
    with progress_bar("looking through the pool", len(paths)) as advance:
        done = hand_off(names["model"], settings, contents_of(paths, advance), wish, folder, failed.add_sentence)
    for sentence in failed.lines(_MOST_SENTENCES):
        print(f"vision: left out: {printable(sentence)}", file=sys.stderr)
    print(f"chose {counted(len(done.chosen), 'image')} of {done.pool_size:,} ({by}):")
    for path in done.files:
        print(f"  {path}")
    return SOME_FAILED if failed.count else 0

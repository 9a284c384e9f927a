"""``vision label``: choose the images that are worth a label, and hand them to a labeling tool."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vision.cli.assignments import fill_places, read_assignments
from vision.cli.evaluate import model_problems
from vision.cli.given_images import DATA_SETS, encoded_images, find_images
from vision.data.problems import EqualProblems
from vision.progress_bar import progress_bar
from vision.reports.formatting import printable
from vision.settings.counted import counted
from vision.settings.errors import SettingsError, UserError
from vision.settings.file_names import local_path
from vision.settings.nearest import did_you_mean, shown
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.labeling.pool import Pool

HELP = """\
Usage: vision label select IMAGES ... model=MODEL output=FOLDER [count=200] [by=mixed] [labeled=INDEX]
                           [images=copy|link] [run.NAME=VALUE]

Chooses the images of a pool that are worth a label and writes them into FOLDER with what the model proposes:
label_studio.json (with its configuration, label_studio.xml), cvat.xml, proposed.manifest (Ground Truth,
human-annotated: no), selected.jsonl, and the images.

  count    how many images to choose
  by       uncertainty: those on which the model is the least sure; diverse: those that differ the most from each other
           and from labeled ones; mixed: different ones among the least sure (default)
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
    for name, allowed in (("by", ("uncertainty", "diverse", "mixed")), ("images", ("copy", "link"))):
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
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"Setting output is {shown(names['output'])}, which is there already: give a new folder.")
    paths = find_images(given.files)
    packed = next((path for path in paths if path.suffix.lower() in DATA_SETS), None)
    if packed is not None:
        raise UserError(f"{packed} has its labels in itself: give the images of a pool as files or folders.")
    failed = EqualProblems()
    pool, places, written = _choose(paths, names, settings, failed)
    for sentence in failed.lines(_MOST_SENTENCES):
        print(f"vision: left out: {printable(sentence)}", file=sys.stderr)
    print(f"chose {counted(len(places), 'image')} of {len(pool.names):,} ({by}):")
    for path in written:
        print(f"  {path}")
    return SOME_FAILED if failed.count else 0


def _choose(
    paths: Sequence[Path], names: dict[str, str], settings: RunSettings, failed: EqualProblems
) -> tuple[Pool, list[int], list[Path]]:
    """Return the pool, the places of the chosen images in it, and the files written. Torch is imported here."""
    from vision import api
    from vision.labeling.pool import look_through
    from vision.labeling.selection import WAYS, select
    from vision.labeling.task_files import ChosenImage, write_tasks
    from vision.search.embedding_model import Content, EmbeddingModel
    from vision.search.image_index import ImageIndex

    model = api.load(names["model"], settings)
    embedding = EmbeddingModel(model.algorithm, model.network, model.transform, model.device, names["model"])
    labeled = None
    if names.get("labeled"):
        index = ImageIndex.open(local_path(names["labeled"]))
        index.check(embedding.sha256, names["model"])
        labeled = index.entries().vectors.astype("float32")
    with progress_bar("looking through the pool", len(paths)) as advance:

        def contents() -> Iterator[Content]:
            for name, encoded in encoded_images(paths):
                yield Content(name, encoded)
                advance(1)

        pool = look_through(model, embedding, contents(), failed.add_sentence)
    by = next(way for way in WAYS if way == names["by"])
    places = select(pool.uncertainties, pool.vectors, int(names["count"]), by, labeled).tolist()
    root = os.path.commonpath([os.path.dirname(os.path.abspath(pool.names[place])) for place in places])
    chosen = [
        ChosenImage(
            file=Path(pool.names[place]),
            name=f"images/{Path(os.path.relpath(os.path.abspath(pool.names[place]), root)).as_posix()}",
            size_px=pool.sizes_px[place],
            uncertainty=float(pool.uncertainties[place]),
            proposals=pool.proposals[place],
        )
        for place in places
    ]
    task = model.algorithm.label_task(model.hyperparameters)
    written = write_tasks(
        local_path(names["output"]), chosen, task, model.class_names, Path(names["model"]).name, names["images"]
    )
    return pool, places, written

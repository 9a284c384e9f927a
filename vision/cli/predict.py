"""``vision predict``: what a model sees in images, as JSON lines and as a table."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from vision.cli.assignments import fill_places, read_assignments
from vision.cli.evaluate import check
from vision.data.given_images import Image, encoded_images, find_images
from vision.data.problems import EqualProblems
from vision.files.atomic_file import AtomicFile
from vision.settings.counted import counted
from vision.settings.errors import DataError, UserError
from vision.settings.file_names import local_path
from vision.settings.nearest import shown
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from rich.table import Table

HELP = """\
Usage: vision predict MODEL FILE|FOLDER|GLOB|FILE.rec ... [output=FILE.jsonl] [draw=FOLDER] [run.NAME=VALUE]

  model   a model folder, a model.tar.gz or a run folder
  output  write JSON lines to this file and a table to the terminal; without it, a terminal gets a readable line for
          each image, and a file or pipe JSON lines, with the table among the errors
  draw    also write each image, with what was seen in it, into this folder (--draw: into ./drawn)
  run     run settings, for example run.device=cpu (vision train --help lists them)

The exit status is 1 if an image could not be predicted.

Example: vision predict runs/first photos/ 'more/*.jpg' output=predictions.jsonl"""

SOME_FAILED = 1
_MOST_ROWS = 50
_MOST_SENTENCES = 10
_DRAWN = "drawn"
_IMAGES = (".png", ".jpg", ".jpeg")


def run(argv: Sequence[str]) -> int:
    """Predict every image. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    argv = [f"draw={_DRAWN}" if word == "--draw" else word for word in argv]
    words = read_assignments(argv, names=("model", "output", "draw"), sections=("run",), allow_files=True)
    given = fill_places(words, ("model",), takes_more=True)
    if Path(given.names.get("output", "")).suffix.lower() in _IMAGES:
        raise UserError(
            f"Setting output is {shown(given.names['output'])}, but lines of JSON are written into it: give "
            "output=FILE.jsonl; draw=FOLDER draws what was seen, and vision transform accept=image/png suffix=.png "
            "writes the answers of models that answer with images."
        )
    model, _, settings = check(given, required_channels=())
    images = encoded_images(find_images(given.files))
    folder = local_path(given.names["draw"]) if "draw" in given.names else None
    failed = write(predict(model, settings, images, folder), given.names.get("output"))
    for sentence in failed.lines(_MOST_SENTENCES):
        print(f"vision: not predicted: {sentence}", file=sys.stderr)
    return SOME_FAILED if failed.count else 0


def predict(
    path: Path, settings: RunSettings, images: Iterable[Image], folder: Path | None
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield (key, result, a few words on it) of each image; with a ``folder``, each readable one is drawn into it."""
    # Imported here because it loads torch.
    from vision import api
    from vision.reports.drawn_images import DrawnImages

    drawn = None if folder is None else DrawnImages(folder)
    model = api.load(path, settings)
    # The model reads ahead by a batch; what it has read waits here for its result.
    waiting: deque[Image] = deque()

    def noted() -> Iterator[Image]:
        for image in images:
            waiting.append(image)
            yield image

    for key, result in model.predict_files(noted()):
        _, encoded = waiting.popleft()
        if "error" in result:
            yield key, result, str(result["error"])
            continue
        if drawn is not None and not isinstance(encoded, DataError):
            drawn.add(key, encoded, model.algorithm.marks(result))
        yield key, result, model.algorithm.summarize(result)


def write(results: Iterable[tuple[str, Mapping[str, Any], str]], output: str | None) -> EqualProblems:
    """Write lines as results come, then the table, except where the lines are for people. Return what failed."""
    from rich.console import Console

    failed = EqualProblems()
    rows = []
    total = 0
    for_people = not output and sys.stdout.isatty()
    with ExitStack() as stack:
        lines: TextIO | AtomicFile = sys.stdout
        if output:
            lines = stack.enter_context(AtomicFile(output))
        for key, result, text in results:
            if "error" in result:
                failed.add_sentence(text)
            lines.write(_line(key, text) if for_people else json.dumps({"file": key, **result}) + "\n")
            total += 1
            if total <= _MOST_ROWS:
                rows.append((key, text))
    if not for_people:
        Console(stderr=not output).print(_table(rows, total))
    return failed


def _line(key: str, text: str) -> str:
    """Return a line about one image without control characters, which a file name could send to the terminal."""
    line = text if text.startswith(f"{key}: ") else f"{key}: {text}"
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in line) + "\n"


def _table(rows: Sequence[tuple[str, str]], total: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("image", "prediction")
    for key, text in rows:
        table.add_row(Text(key), Text(text))
    if total > len(rows):
        table.caption = f"{len(rows)} of {counted(total, 'image')}"
    return table

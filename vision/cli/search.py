"""``vision search``: the images of an index that look like a photo."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, TextIO

from vision.cli.assignments import fill_places, read_assignments
from vision.data.given_images import find_images
from vision.data.problems import EqualProblems
from vision.files.atomic_file import AtomicFile
from vision.reports.formatting import printable
from vision.settings.counted import counted
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.nearest import shown
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.retrieval.found_images import FoundImage

HELP = """\
Usage: vision search INDEX FILE|FOLDER|GLOB|FILE.rec ... [top=10] [rerank=geometry] [whiten=true]
                     [engine=faiss] [model=MODEL] [output=FILE.jsonl] [run.NAME=VALUE]

  index   the folder that `vision index` made
  top     how many images to show for each
  rerank  geometry: of the 50 most similar those first that show the same object or scene, by local features (SIFT)
          on which one change of view agrees
  whiten  let all directions in which the vectors of this index vary count alike
  engine  exact (default), or faiss: for half a million images and more, looks through the nearest clusters alone; says
          which share of the nearest ones it finds (pip install 'vision[faiss]')
  model   the model by which the index was made, where it does not lie in its place any more
  output  write JSON lines to this file; without it, a terminal gets tables, and a file or pipe JSON lines
  run     run settings, for example run.device=cpu (vision train --help lists them)

The exit status is 1 if an image could not be read.

Example: vision search index photo.jpg top=5"""

SOME_FAILED = 1
_MOST_SENTENCES = 10
_MOST_SHOWN = 1000
_RERANK = ("none", "geometry")
_ENGINES = ("exact", "faiss")
_SWITCH = {"true": True, "1": True, "false": False, "0": False}


def run(argv: Sequence[str]) -> int:
    """Search for every image. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    names = ("index", "top", "rerank", "whiten", "engine", "model", "output")
    words = read_assignments(argv, names=names, sections=("run",), allow_files=True)
    given = fill_places(words, ("index",), takes_more=True)
    problems = []
    if not given.names.get("index"):
        problems.append("Setting index is required but missing: give index=PATH.")
    top, rerank, whiten = (given.names.get(n, d) for n, d in (("top", "10"), ("rerank", "none"), ("whiten", "false")))
    if not (top.isascii() and top.isdigit() and len(top) < 10 and 1 <= int(top) <= _MOST_SHOWN):
        problems.append(f"Setting top is {shown(top)} but must be a whole number from 1 to {_MOST_SHOWN}.")
    if rerank not in _RERANK:
        problems.append(f"Setting rerank is {shown(rerank)} but must be one of {', '.join(_RERANK)}.")
    if whiten not in _SWITCH:
        problems.append(f"Setting whiten is {shown(whiten)} but must be true or false.")
    engine = given.names.get("engine", "exact")
    if engine not in _ENGINES:
        problems.append(f"Setting engine is {shown(engine)} but must be one of {', '.join(_ENGINES)}.")
    settings = RunSettings()
    try:
        settings = RunSettings.parse(given.sections["run"])
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    paths = find_images(given.files)
    # Imported after the settings are checked: importing torch takes seconds.
    from vision.retrieval.embedding_model import EmbeddingModel, contents_of
    from vision.retrieval.image_index import ImageIndex
    from vision.retrieval.searching import answers, open_search

    index = ImageIndex.open(local_path(given.names["index"]))
    model = EmbeddingModel.open(given.names.get("model", index.description.model), settings)
    index.check(model.sha256, model.name)
    search = open_search(
        index,
        whiten=_SWITCH[whiten],
        engine="faiss" if engine == "faiss" else "exact",
        on_note=lambda sentence: print(f"vision: {sentence}", file=sys.stderr),
    )
    failed = EqualProblems()
    not_compared: list[str] = []
    for_people = "output" not in given.names and sys.stdout.isatty()
    with ExitStack() as stack:
        lines: TextIO | AtomicFile = sys.stdout
        if "output" in given.names:
            lines = stack.enter_context(AtomicFile(local_path(given.names["output"])))
        for answer in answers(
            search, model, contents_of(paths), int(top), "geometry" if rerank == "geometry" else "none"
        ):
            if rerank == "geometry" and not isinstance(answer.found, str):
                not_compared += [one.name for one in answer.found if one.agreeing is None]
            if isinstance(answer.found, str):
                failed.add_sentence(answer.found)
                lines.write(json.dumps({"file": answer.name, "error": answer.found}) + "\n")
            elif for_people:
                _print_table(answer.name, answer.found)
            else:
                found = [_described(one) for one in answer.found]
                lines.write(json.dumps({"file": answer.name, "found": found}) + "\n")
    for sentence in failed.lines(_MOST_SENTENCES):
        print(f"vision: not searched: {printable(sentence)}", file=sys.stderr)
    if not_compared:
        print(
            f"vision: rerank=geometry could not compare {counted(len(not_compared), 'image')}, such as "
            f"{printable(not_compared[0])}: it compares image files (no records of a .rec file) that are still where "
            "their names say, relative to this folder",
            file=sys.stderr,
        )
    return SOME_FAILED if failed.count else 0


def _described(one: FoundImage) -> dict[str, object]:
    agreeing = {} if one.agreeing is None else {"agreeing": one.agreeing}
    return {"file": one.name, "similarity": round(one.similarity, 4), **agreeing}


def _count(one: FoundImage) -> str:
    return "" if one.agreeing is None else str(one.agreeing)


def _print_table(name: str, found: Sequence[FoundImage]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("similarity", "image", title=Text(printable(name)), title_justify="left")
    has_views = any(one.agreeing is not None for one in found)
    if has_views:
        table.add_column("features that agree", justify="right")
    for one in found:
        table.add_row(f"{one.similarity:.3f}", Text(printable(one.name)), *([_count(one)] if has_views else []))
    Console().print(table)

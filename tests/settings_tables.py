"""The list of all settings and the keywords of Python, made from the tables that check the settings.

``python -m tests.settings_tables`` writes .github/SETTINGS.md and vision/python/keywords.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

from vision import algorithms
from vision.settings.form import Form
from vision.settings.hyperparameters import HyperparameterRow
from vision.settings.run import WEIGHTS_VARIABLE, RunSettings
from vision.settings.table import SettingsTable
from vision.settings.video import VideoSettings

SETTINGS = Path(__file__).parents[1] / ".github" / "SETTINGS.md"
KEYWORDS = Path(__file__).parents[1] / "vision" / "python" / "keywords.py"
PLAIN_TYPES = {
    "flag": "bool",
    "integer": "int",
    "number": "float",
    "text": "str",
    "path": "str | Path",
    "integers": "Sequence[int] | str",
    "names": "Sequence[str] | str",
}
KEYWORDS_HEAD = '''\
"""The keywords of ``vision.fit`` and its neighbors, typed; written by python -m tests.settings_tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import albumentations as A
'''
TRAINING_KEYWORDS = '''

class TrainingKeywords(TypedDict, total=False):
    """What every training takes."""

    hyperparameters: Mapping[str, object] | None
    recipe: str | Path | None
    run: RunKeywords | Mapping[str, object] | None
    transform: A.BasicTransform | A.BaseCompose | None
'''
SETTINGS_HEAD = """\
# Settings

<!-- written by python -m tests.settings_tables -->
Every setting is `name=value` on the command line and a keyword in Python: `hp.` for hyperparameters of an algorithm,
`run.` for what only this package has. `vision train --help` prints the same tables.
"""


def settings_tables() -> str:
    """A page of Markdown: a table for each algorithm and one for the run settings."""
    parts = [
        _section(
            f"Hyperparameters of {name}, as SageMaker documents them", algorithms.facts_of(name).hyperparameters.rows()
        )
        for name in algorithms.names()
    ]
    # A default that this machine's environment changes must not get into the text.
    with mock.patch.dict(os.environ):
        os.environ.pop(WEIGHTS_VARIABLE, None)
        parts.append(_section("Run settings, ours", RunSettings.rows()))
    return "\n".join([SETTINGS_HEAD, *parts])


def _section(title: str, rows: Iterable[HyperparameterRow]) -> str:
    lines = ["| name | allowed | default | meaning |", "| --- | --- | --- | --- |"]
    for row in rows:
        default = "required" if row.required else row.default
        cells = (f"`{row.name}`", row.valid, default, row.description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return f"## {title}\n\n" + "\n".join(lines) + "\n"


def keywords_source() -> str:
    """The module of typed dictionaries that an editor completes and a type checker checks."""
    tables: dict[str, type[SettingsTable]] = {
        name: algorithms.facts_of(name).hyperparameters for name in algorithms.names()
    }
    types = {name: _types(table) for name, table in tables.items()}
    every = sorted({setting for one in types.values() for setting in one})
    any_of = {name: _union([one[name] for one in types.values() if name in one]) for name in every}
    classes = [
        _keywords(f"{''.join(map(str.capitalize, name.split('_')))}Keywords", f"Hyperparameters of {name}.", one)
        for name, one in types.items()
    ]
    classes.append(_keywords("AnyKeywords", "Hyperparameters of all algorithms, for data that choose theirs.", any_of))
    run = _keywords("RunKeywords", "Run settings.", _types(RunSettings), base="TypedDict")
    run += _keywords("VideoKeywords", "Settings of vision.watch.", _types(VideoSettings), base="TypedDict")
    return KEYWORDS_HEAD + run + TRAINING_KEYWORDS + "".join(classes)


def _types(table: type[SettingsTable]) -> dict[str, str]:
    """The type of each keyword of a table, as Python writes it."""
    return {name: _type_of(form) for name, form in table.forms().items()}


def _union(types: list[str]) -> str:
    """One type for values of any of these; choices become one list."""
    found = dict.fromkeys(part for one in types for part in one.split(" | ") if not part.startswith("Literal["))
    listed = [part for one in types for part in one.split(" | ") if part.startswith("Literal[")]
    choices = dict.fromkeys(choice for part in listed for choice in part[len("Literal[") : -1].split(", "))
    return " | ".join([*found, *([f"Literal[{', '.join(choices)}]"] if choices else [])])


def _keywords(name: str, docstring: str, types: dict[str, str], base: str = "TrainingKeywords") -> str:
    lines = [f'\n\nclass {name}({base}, total=False):\n    """{docstring}"""\n\n']
    for setting, kind in sorted(types.items()):
        line = f"    {setting}: {kind}\n"
        lines.append(
            line if len(line) <= 120 else line.replace("Literal[", "Literal[\n        ").replace("]", "\n    ]")
        )
    return "".join(lines)


def _type_of(form: Form) -> str:
    if form.kind == "choice":
        return f"Literal[{', '.join(repr(choice) for choice in form.choices)}]".replace("'", '"')
    if form.kind == "shape":
        return f"tuple[{', '.join(['int'] * form.length)}] | str"
    return "bool | Literal[0, 1]" if form.as_digit else PLAIN_TYPES[form.kind]


if __name__ == "__main__":
    SETTINGS.write_text(settings_tables(), encoding="utf-8")
    KEYWORDS.write_text(keywords_source(), encoding="utf-8")

"""The settings tables of the README and the keywords of Python, made from the tables that check the settings.

``python -m tests.readme_tables`` writes them into README.md and vision/python/keywords.py.
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

README = Path(__file__).parents[1] / "README.md"
START = "<!-- settings tables: written by python -m tests.readme_tables -->\n"
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
END = "<!-- end of settings tables -->\n"


def with_tables(text: str) -> str:
    """The README's text with its tables made anew."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    assert after, f"README.md must hold the line {START.strip()} and, later, {END.strip()}"
    return before + START + settings_tables() + END + after


def settings_tables() -> str:
    """A folded Markdown table for each algorithm and for the run settings."""
    parts = [
        _folded(
            f"Hyperparameters of {name}, as SageMaker documents them", algorithms.facts_of(name).hyperparameters.rows()
        )
        for name in algorithms.names()
    ]
    # A default that this machine's environment changes must not get into the text.
    with mock.patch.dict(os.environ):
        os.environ.pop(WEIGHTS_VARIABLE, None)
        parts.append(_folded("Run settings, ours", RunSettings.rows()))
    return "\n".join(parts)


def _folded(title: str, rows: Iterable[HyperparameterRow]) -> str:
    lines = ["| name | allowed | default | meaning |", "| --- | --- | --- | --- |"]
    for row in rows:
        default = "required" if row.required else row.default
        cells = (f"`{row.name}`", row.valid, default, row.description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
    return f"<details><summary>{title}</summary>\n\n" + "\n".join(lines) + "\n\n</details>\n"


def keywords_source() -> str:
    """The module of typed dictionaries that an editor completes and a type checker checks."""
    tables: dict[str, type[SettingsTable]] = {
        name: algorithms.facts_of(name).hyperparameters for name in algorithms.names()
    }
    classes = [
        _keywords("".join(map(str.capitalize, name.split("_"))), f"Hyperparameters of {name}.", table)
        for name, table in tables.items()
    ]
    classes.append(_keywords("Run", "Run settings.", RunSettings))
    head = (
        '"""The keywords of ``vision.fit`` and its neighbors, typed; written by python -m tests.readme_tables."""\n\n'
        "from __future__ import annotations\n\nfrom collections.abc import Sequence\nfrom pathlib import Path\n"
        "from typing import Literal, TypedDict\n"
    )
    return head + "".join(classes)


def _keywords(name: str, docstring: str, table: type[SettingsTable]) -> str:
    lines = [f'\n\nclass {name}Keywords(TypedDict, total=False):\n    """{docstring}"""\n\n']
    for setting, form in sorted(table.forms().items()):
        line = f"    {setting}: {_type_of(form)}\n"
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
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    KEYWORDS.write_text(keywords_source(), encoding="utf-8")

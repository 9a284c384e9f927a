"""The settings tables of the README, made from the tables that check the settings.

``python -m tests.readme_tables`` writes them into README.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

from vision import algorithms
from vision.settings.hyperparameters import HyperparameterRow
from vision.settings.run import WEIGHTS_VARIABLE, RunSettings

README = Path(__file__).parents[1] / "README.md"
START = "<!-- settings tables: written by python -m tests.readme_tables -->\n"
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


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")

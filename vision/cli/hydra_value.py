"""Values as Hydra's grammar must be given them, so that paths, shapes and patterns arrive as typed."""

from __future__ import annotations

import os
import re

from vision.settings.file_names import local_path
from vision.settings.run import RunSettings

# Texts that Hydra's grammar reads as we do; it would take 1_000 for a number.
_PLAIN = re.compile(r"(?!.*[0-9]_[0-9])[A-Za-z0-9_./:@%+-]+")
_HYDRA_VALUE = re.compile(r"""['"\[{]|(?i:null)$|.*\$\{""", re.DOTALL)
_HYDRA_PATH = re.compile(r"""(['"]).*\1$|.*\$\{""", re.DOTALL)
_FUNCTION = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag|int|float|str|bool)\(")


def names_path(name: str) -> bool:
    """Whether the setting ``name``, with its section, holds a path: those of channels and some of ``run``."""
    section, _, rest = name.lstrip("+").partition(".")
    if section == "channels":
        return rest.partition(".")[2] in ("", "path")
    form = RunSettings.forms().get(rest) if section == "run" else None
    return form is not None and form.kind == "path"


def is_hydra_value(value: str, is_path: bool = False) -> bool:
    """Whether the user wrote Hydra's grammar: quotes, a list, a mapping, null or an interpolation.

    Paths may be quoted or interpolated; any other text, and all that exists, is itself: ``[a]`` is a folder.
    """
    if is_path:
        return bool(_HYDRA_PATH.match(value)) and not _exists(value)
    return bool(_HYDRA_VALUE.match(value.strip()))


def is_sweep(value: str, is_path: bool = False) -> bool:
    """Whether the value means several ones when -m is given."""
    if is_path and _exists(value):
        return False
    return "," in value or bool(_FUNCTION.match(value.strip()))


def hydra_value(value: str) -> str:
    """The value, quoted where Hydra would otherwise read something else or refuse it."""
    text = value.strip()
    return text if is_hydra_value(text) or _PLAIN.fullmatch(text) else hydra_text(text)


def hydra_path(value: str) -> str:
    """A path, quoted, so that ``2024.10`` and ``true`` stay text."""
    return value if is_hydra_value(value, is_path=True) else hydra_text(value)


def hydra_paths(value: str) -> str:
    """Several paths to run once with each, separated by commas, or what Hydra's grammar says otherwise."""
    if is_hydra_value(value) or _FUNCTION.match(value.strip()):
        return value
    return ",".join(map(hydra_text, value.split(",")))


def hydra_text(text: str) -> str:
    """Any text in Hydra's quotes."""
    # An interpolation is escaped by a backslash, and those before it are doubled.
    text = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", text)
    # In Hydra's quotes a backslash counts only before a quote, or at the end.
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
    return f"'{escaped}'"


def _exists(path: str) -> bool:
    return os.path.exists(local_path(path))

"""Values as Hydra's grammar must be given them, so that paths, shapes and patterns arrive as typed."""

from __future__ import annotations

import re

# Texts that Hydra's grammar reads as we do; it would take 1_000 for a number.
_PLAIN = re.compile(r"(?!.*[0-9]_[0-9])[A-Za-z0-9_./:@%+-]+")
_HYDRA_VALUE = re.compile(r"""['"\[{]|(?i:null)$|.*\$\{""", re.DOTALL)
_FUNCTION = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag|int|float|str|bool)\(")


def is_hydra_value(value: str) -> bool:
    """Whether the user wrote Hydra's grammar: quotes, a list, a mapping, null or an interpolation."""
    return bool(_HYDRA_VALUE.match(value.strip()))


def is_sweep(value: str) -> bool:
    """Whether the value means several ones when -m is given."""
    return "," in value or bool(_FUNCTION.match(value.strip()))


def hydra_value(value: str) -> str:
    """The value, quoted where Hydra would otherwise read something else or refuse it."""
    text = value.strip()
    if is_hydra_value(text) or _PLAIN.fullmatch(text):
        return text
    # In Hydra's quotes a backslash counts only before a quote, or at the end.
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
    return f"'{escaped}'"

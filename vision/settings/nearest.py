"""Which known name a user may have meant, and how values are shown in messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST_SHOWN = 80


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``name``, or None if none is near. Case, blanks and hyphens do not count."""
    by_plain = {plain(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(plain(name), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the nearest known name, or all of them."""
    names = list(known)
    match = nearest(name, names)
    return f"did you mean {match}?" if match else f"known are {', '.join(names)}."


def shown(value: object) -> str:
    """Return a value as messages quote it, shortened if it is long."""
    text = repr(value[: _LONGEST_SHOWN * 2] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def plain(name: str) -> str:
    """Return a name in lower case with underscores."""
    return name[:200].lower().replace(" ", "_").replace("-", "_")

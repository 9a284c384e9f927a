"""JSON from untrusted files: bounded in size and depth, and without NaN."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

from vision.settings.regular_file import open_regular

# Far below the limit of Python's own recursion, as in repr.
_DEEPEST = 100
# Files that this program writes or people edit are far smaller.
LARGEST_BYTES = 64 << 20


def parse_json(text: bytes | str) -> Any:
    """Parse the JSON in ``text``. Raises ValueError, also for NaN and Infinity, which are not JSON."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except UnicodeDecodeError:
        raise ValueError("not JSON: it is not UTF-8 text") from None
    except RecursionError:
        raise ValueError("not read: it is nested too deeply") from None
    if _marks(text) > _DEEPEST:
        _check_depth(value)
    return value


def read_json(path: Path, most_bytes: int = LARGEST_BYTES) -> Any:
    """Parse the JSON in a file, with or without a byte order mark. Raises OSError, or ValueError as ``parse_json``."""
    with open_regular(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"not read: it has more than {most_bytes} bytes")
    return parse_json(data)


def _marks(text: bytes | str) -> int:
    """Return the number of opening brackets and braces, which limits how deeply the text can be nested."""
    return text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        inside = chain.from_iterable(
            part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)
        )
        level = [part for part in inside if isinstance(part, dict | list)]
        if not level:
            return
    raise ValueError("not read: it is nested too deeply")


def _refuse(name: str) -> object:
    raise ValueError(f"not JSON: it holds {name}")

"""JSON from files that may hold anything."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: bytes | str) -> Any:
    """The value that ``text`` holds. ValueError says why it holds none; NaN and Infinity are not JSON."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except UnicodeDecodeError:
        raise ValueError("not JSON: it is not UTF-8 text") from None
    except RecursionError:
        raise ValueError("not read: it is nested too deeply") from None


def _refuse(name: str) -> object:
    raise ValueError(f"not JSON: it holds {name}")

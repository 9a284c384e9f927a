"""Counts with their nouns, as sentences hold them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return ``1 image``, ``1,234 images``, ``2 classes``: ``noun`` is the singular, whose plural is regular."""
    plural = f"{noun}es" if noun.endswith(("s", "x", "sh", "tch")) else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"

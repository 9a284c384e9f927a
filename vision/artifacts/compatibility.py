"""Whether a stored model fits the job that wants to go on from it."""

from __future__ import annotations

from collections.abc import Mapping


def compare_settings(required: Mapping[str, object], stored: Mapping[str, object]) -> list[str]:
    """A sentence for each setting of the job that has another value in the stored model."""
    return [
        f"{name} is {_shown(value)} in this job and {_shown(stored.get(name))} in the stored model"
        for name, value in required.items()
        if stored.get(name) != value
    ]


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)[:200]

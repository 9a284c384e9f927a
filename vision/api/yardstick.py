"""Compares a run with the baselines beside it that were measured on the same images."""

from __future__ import annotations

from pathlib import Path

from vision.api.held_out import HELD_OUT
from vision.artifacts.model_description import MODEL_JSON
from vision.settings.job import RUN_FILE
from vision.settings.strict_json import read_json

# Run folders beside a run that are looked at.
_MOST = 1000


def baseline_sentence(folder: Path, metric: str, value: float) -> str | None:
    """Return whether the run in ``folder`` with this figure, a share, beats the best baseline; None without one."""
    try:
        places = sorted(folder.parent.iterdir())[:_MOST]
    except OSError:
        return None
    figures = {place: figure for place in places if (figure := _figure(place, folder, metric)) is not None}
    if not figures:
        return None
    best = max(figures, key=figures.__getitem__)
    says = f"The baseline in {best}, which is no network, reaches {100 * figures[best]:.1f} % on the same images"
    if value > figures[best]:
        return f"{says}: the network is better, and vision compare tells whether that may be luck."
    return f"{says}: the network does not surpass it."


def _figure(place: Path, folder: Path, metric: str) -> float | None:
    """Return the figure of a baseline of the same images; None of any other run."""
    try:
        model = read_json(place / "model" / MODEL_JSON)
        # Other models were trained for an epoch at least.
        if model["epoch"] != 0:
            return None
        theirs, ours = (read_json(path / RUN_FILE)["channels"] for path in (place, folder))
        parts = [read_json(path / HELD_OUT) if (path / HELD_OUT).exists() else None for path in (place, folder)]
        is_same = parts[0] == parts[1] and all(theirs.get(name) == ours.get(name) for name in ("train", "validation"))
        return float(model["metrics"][f"validation_{metric}"]) if is_same else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # No run, or one that is not done or damaged.
        return None

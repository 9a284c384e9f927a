"""Resuming a run: from which checkpoint, and with which settings."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.settings.errors import SettingsError, UserError
from vision.settings.run import RunSettings
from vision.settings.strict_json import read_json

if TYPE_CHECKING:
    from vision.training.checkpoints import Checkpoints

log = logging.getLogger(__name__)

# A run goes on with what it began with, but it may go on for longer.
MAY_CHANGE = frozenset({"epochs"})
MUST_STAY = ("seed", "accumulate", "precision", "devices", "new_head", "warmup_epochs", "scaled_decode")


def checkpoint_to_resume(run: RunSettings, checkpoints: Checkpoints) -> str | None:
    """Return the path of the checkpoint from which a run continues; None starts it from the beginning."""
    if not run.resume:
        return None
    if checkpoints.path.exists():
        return str(checkpoints.path)
    log.warning("there is no checkpoint in %s yet, so the run begins from the start", checkpoints.folder)
    return None


def changed_settings(folder: Path, file: Path, described: dict[str, Any]) -> list[str]:
    """Return what differs, and may, from the settings in ``file``, with which the run in ``folder`` began.

    ``described`` are the settings of now in the form of that file. Raises SettingsError naming all that may not change,
    or UserError for a file that is damaged.
    """
    try:
        earlier = read_json(file)
        pairs = [("algorithm", earlier["algorithm"], described["algorithm"])]
        before, now = earlier["hyperparameters"], described["hyperparameters"]
        names = sorted((set(before) | set(now)) - MAY_CHANGE)
        pairs += [(f"hp.{name}", before.get(name, "unset"), now.get(name, "unset")) for name in names]
        pairs += [(f"run.{name}", earlier["run"].get(name), described["run"][name]) for name in MUST_STAY]
        pairs += [(f"{name}", earlier["data"].get(name), value) for name, value in described["data"].items()]
        free = [(f"hp.{name}", before.get(name, "unset"), now.get(name, "unset")) for name in sorted(MAY_CHANGE)]
        free += [
            (f"run.{name}", earlier["run"].get(name), value)
            for name, value in described["run"].items()
            if name not in (*MUST_STAY, "resume", "output")
        ]
        free += [
            (f"channels.{name}", earlier["channels"].get(name, {}).get("path"), channel["path"])
            for name, channel in described["channels"].items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is not the settings file of a run ({error}); give another run.output") from error
    problems = [
        f"{name} is {new}, but the run in {folder} began with {old}: a run resumes with the settings it began "
        f"with (only hp.epochs may change); set it back, or start a new run.output"
        for name, old, new in pairs
        if old != new
    ]
    if problems:
        raise SettingsError(problems)
    return [f"{name} {old} -> {new}" for name, old, new in free if old != new]

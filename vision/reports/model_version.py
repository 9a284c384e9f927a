"""The name of an evaluated model as Rekognition Custom Labels gives names: a version of a project."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_WRAPPINGS = ("model", "model.tar.gz")


@dataclass(frozen=True)
class ModelVersion:
    """``project`` is the kind of model, ``version`` the run. ``evaluated_at`` has a time zone."""

    project: str
    version: str
    num_training_images: int
    evaluated_at: datetime

    @classmethod
    def now(cls, algorithm: str, name: str, num_training_images: int) -> ModelVersion:
        """Of a run by its name, evaluated now."""
        return cls(_plain(algorithm.replace("_", "-")), _plain(name), num_training_images, datetime.now(UTC))

    @property
    def arn(self) -> str:
        """A name of the form that tools expect; no account is behind it."""
        milliseconds = round(self.evaluated_at.timestamp() * 1000)
        place = "arn:aws:rekognition:local:000000000000"
        return f"{place}:project/{self.project}/version/{self.version}/{milliseconds}"

    @property
    def timestamp(self) -> str:
        """When it was evaluated: UTC, as Custom Labels writes it without saying so."""
        return self.evaluated_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")

    @property
    def file_stem(self) -> str:
        """The end of file names."""
        return f"{self.project}-{self.version}"


def run_name(path: Path) -> str:
    """The name of a run folder, whether it is named itself or its model folder or archive."""
    path = path.absolute()
    return (path.parent if path.name in _WRAPPINGS else path).name.removesuffix(".tar.gz")


def _plain(name: str) -> str:
    """Letters, digits, dots, underscores and hyphens only, as names of projects and versions must be."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:100].strip("-.") or "model"

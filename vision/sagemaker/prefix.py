"""The folders in which the platform puts a container's input, and from which it fetches the output."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vision.settings.errors import UserError
from vision.settings.strict_json import read_json

PLATFORM = Path("/opt/ml")
VARIABLE = "SAGEMAKER_BASE_DIR"
_LARGEST_CONFIG_BYTES = 10_000_000


@dataclass(frozen=True)
class Prefix:
    """The tree below ``/opt/ml``, or below any other folder that plays its part (SageMaker contract, 7.2)."""

    path: Path

    @classmethod
    def choose(cls, argument: str | None, environ: Mapping[str, str]) -> Prefix:
        """Return the folder asked for, else that of the environment, else ``/opt/ml``."""
        return cls(Path(argument or environ.get(VARIABLE) or PLATFORM).absolute())

    @property
    def config(self) -> Path:
        return self.path / "input" / "config"

    @property
    def data(self) -> Path:
        return self.path / "input" / "data"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def models(self) -> Path:
        """Return the folder of models of a multi-model server."""
        return self.path / "models"

    @property
    def output_data(self) -> Path:
        return self.path / "output" / "data"

    @property
    def failure(self) -> Path:
        return self.path / "output" / "failure"

    @property
    def checkpoints(self) -> Path:
        """Return the folder that the platform copies to S3: ``checkpoints``, or that of the job's CheckpointConfig."""
        local = self.read_config("checkpointconfig.json").get("LocalPath")
        if not isinstance(local, str) or not local.startswith("/"):
            return self.path / "checkpoints"
        asked = Path(local)
        return self.path / asked.relative_to(PLATFORM) if asked.is_relative_to(PLATFORM) else asked

    def read_config(self, name: str) -> dict[str, object]:
        """Return the JSON object in a file of ``input/config``, empty if there is no file. Raises UserError."""
        path = self.config / name
        if not os.path.lexists(path):
            return {}
        try:
            value = read_json(path, _LARGEST_CONFIG_BYTES)
            if not isinstance(value, dict):
                raise ValueError(f"it holds a JSON {type(value).__name__}")
        except (OSError, ValueError) as error:
            raise UserError(f"{path} must hold one JSON object, but cannot be read as one: {error}") from error
        return value

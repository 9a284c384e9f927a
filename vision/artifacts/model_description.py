"""model.json: what a model folder says about its weights."""

from __future__ import annotations

import json
import math
import platform
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationError,
)

from vision.settings.errors import UserError
from vision.settings.regular_file import open_regular

MODEL_JSON = "model.json"
MAX_JSON_BYTES = 16 * 2**20
"""100,000 class names take about 3 MiB."""
MAX_JSON_DEPTH = 32

WEIGHTS_NAME = r"weights-[0-9]{4,9}(-[0-9]{1,4})?\.safetensors"
"""The number is the epoch, counted from 1; a second one distinguishes files of the same epoch."""

# JSON has no NaN: a metric of a run that diverged is null there.
Metric = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: value if math.isfinite(value) else None),
]
Epoch = Annotated[int, Field(ge=0, lt=10**9)]
Threshold = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, protected_namespaces=())


class WeightsFile(_Part):
    """A file of the model folder, and the digest of its bytes."""

    name: str = Field(pattern=f"^{WEIGHTS_NAME}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Checkpoint(_Part):
    """An epoch that was kept beside the best one (checkpoint_frequency)."""

    epoch: Epoch
    weights: WeightsFile
    metrics: dict[str, Metric]


def current_versions() -> dict[str, str]:
    """Return the versions of this package, torch and Python."""
    versions = {}
    for package in ("vision", "torch"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {**versions, "python": platform.python_version()}


class ModelDescription(_Part):
    """Everything that is needed to use the weights, and where they come from.

    ``architecture`` and ``preprocessing`` are JSON objects that belong to the algorithm. ``hyperparameters``
    are texts as in hyperparameters.json. ``class_names`` by class index. ``metrics`` of the epoch that was
    saved, NaN where the run diverged. ``epoch`` counts from 1; 0 is a network that was not trained.
    ``assumed_thresholds``: by class name the score of best F1 on the validation channel, from which a label counts
    as found; without classes that had no example there, and empty where nothing was validated.
    """

    algorithm: str
    architecture: dict[str, JsonValue]
    hyperparameters: dict[str, str]
    class_names: tuple[str, ...] = Field(strict=False)
    preprocessing: dict[str, JsonValue]
    metrics: dict[str, Metric]
    epoch: Epoch
    assumed_thresholds: dict[str, Threshold] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=current_versions)


class ModelFile(ModelDescription):
    """model.json as a whole: the description of the model in use, its weights, and other epochs."""

    format: Literal["vision-model"] = "vision-model"
    format_version: Literal[1] = 1
    weights: WeightsFile
    checkpoints: tuple[Checkpoint, ...] = Field(default=(), strict=False)

    def weights_files(self) -> dict[str, WeightsFile]:
        """Return all weights files of the folder, by name."""
        files = (self.weights, *(checkpoint.weights for checkpoint in self.checkpoints))
        return {file.name: file for file in files}

    def to_json(self) -> bytes:
        """Return the bytes of model.json."""
        values = {
            "format": self.format,
            "format_version": self.format_version,
            **self.model_dump(mode="json"),
        }
        return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()

    @classmethod
    def read(cls, path: Path, shown: str) -> Self:
        """Read and check model.json. ``shown`` is what to call it in a sentence."""
        with open_regular(path) as file:
            data = file.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise UserError(f"{shown} has more than {MAX_JSON_BYTES} bytes, the most that are allowed")
        values = _parse(data, shown)
        if not isinstance(values, dict) or values.get("format") != "vision-model":
            raise UserError(f'{shown} is not the description of a model: it has no "format": "vision-model"')
        if values.get("format_version") != 1:
            raise UserError(
                f"{shown} has format_version {str(values.get('format_version'))[:20]}, and only 1 can "
                f"be read here; use the version of the program that wrote it"
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UserError(f"{shown} cannot be used: {_first_problem(error)}") from error


def _parse(data: bytes, shown: str) -> Any:
    try:
        value = json.loads(data.decode(), parse_float=_finite, parse_constant=_finite)
        _check_value(value, MAX_JSON_DEPTH)
        return value
    # ValueError covers bad UTF-8, bad JSON, numbers that are not finite and integers of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise UserError(f"{shown} is not valid JSON: {str(error)[:200]}") from error


def _check_value(value: Any, depth: int) -> None:
    """Raise ValueError for what could not be printed or walked through later."""
    if depth == 0:
        raise ValueError(f"values are nested more than {MAX_JSON_DEPTH} deep")
    if isinstance(value, str):
        # Half a surrogate pair, which JSON can spell but no file or terminal can take.
        value.encode()
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_value(key, depth)
            _check_value(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_value(inner, depth - 1)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part)[:50] for part in problem["loc"])
    return f"{place}: {problem['msg']}"

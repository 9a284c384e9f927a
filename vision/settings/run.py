"""Run settings: where, how long and on what a job runs. Ours, apart from SageMaker's hyperparameters."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from vision.settings.augmentation import AugmentationSettings
from vision.settings.device import device_field, device_hint, gpu_number
from vision.settings.errors import UserError
from vision.settings.file_names import local_path, name_problem, shown_name, strip_blanks
from vision.settings.form import Form
from vision.settings.hyperparameters import HyperparameterRow, table_rows
from vision.settings.learning import LearningSettings
from vision.settings.nearest import shown
from vision.settings.regular_file import open_regular_text
from vision.settings.table import Rule

WEIGHTS_VARIABLE = "VISION_WEIGHTS"
# In ``backbone``, the library of the one network that a caller in Python brings along.
OWN_LIBRARY = "own"
_LARGEST_NAMES_FILE = 10_000_000


def _weights_from_environment() -> Path | None:
    folder = os.environ.get(WEIGHTS_VARIABLE, "")
    return local_path(folder) if folder else None


def _names_problem(given: RunSettings) -> str | None:
    names = given.class_names
    if names is None:
        return None
    if any(not name for name in names):
        return "Run setting class_names has an empty name: name every class, in the order of the class ids."
    wrong = next((name for name in names if name_problem(name)), None)
    if wrong is not None:
        return f"Run setting class_names has {shown_name(wrong)}, which {name_problem(wrong)}."
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) > len(set(names)) else []
    if twice:
        return f"Run setting class_names has {shown(twice[0])} twice: give every class a name of its own."
    return None


def _weights_problem(given: RunSettings) -> str | None:
    if given.weights_folder is None or given.weights_folder.is_dir():
        return None
    return (
        f"Run setting weights_folder is {given.weights_folder}, which is not a folder: give the folder that"
        f" holds the ImageNet weights, or leave it (and {WEIGHTS_VARIABLE}) out to download them."
    )


def _output_problem(given: RunSettings) -> str | None:
    if given.output is None or given.output.is_dir() or not given.output.exists():
        return None
    return f"Run setting output is {given.output}, which is a file: give a folder, new or of an earlier run."


def _backbone_problem(given: RunSettings) -> str | None:
    if given.backbone is None or re.fullmatch(r"[\w.-]{1,50}:[\w.-]{1,200}", given.backbone):
        return None
    fixed = re.sub(r"[^\w.-]", "", given.backbone)[:50] or "convnext_tiny"
    return f"Run setting backbone is {shown(given.backbone)} but must be LIBRARY:NAME: give for example timm:{fixed}."


def _devices_problem(given: RunSettings) -> str | None:
    if gpu_number(given.device) is None or given.devices in (None, 1):
        return None
    return (
        f"Run setting devices is {given.devices}, but device={given.device} is one GPU: leave devices out, or give"
        " device=cuda and choose the GPUs by the variable CUDA_VISIBLE_DEVICES."
    )


def _hold_out_problem(given: RunSettings) -> str | None:
    if given.validation_share is None or given.folds is None:
        return None
    return (
        f"Run setting validation_share is {given.validation_share:g} and folds is {given.folds}, but both divide"
        " channel train: leave one of them out."
    )


class RunSettings(LearningSettings, AugmentationSettings):
    """Everything about a run that the SageMaker documentation does not name."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *LearningSettings.RULES,
        Rule(("class_names",), _names_problem),
        Rule(("weights_folder",), _weights_problem),
        Rule(("output",), _output_problem),
        Rule(("backbone",), _backbone_problem),
        Rule(("device", "devices"), _devices_problem),
        Rule(("validation_share", "folds"), _hold_out_problem),
    )

    output: Path | None = Field(
        default=None, description="run folder; unset is runs/<algorithm>/<date-time>", examples=["runs/first"]
    )
    resume: bool = Field(
        default=False, description="continue from the last checkpoint in the run folder, if there is one"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="where all random numbers start")
    device: str = device_field()
    devices: int | None = Field(
        default=None, ge=1, description="processes on this machine; unset is one for each GPU, or one", examples=[1]
    )
    precision: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto", description="arithmetic in training; auto follows the hyperparameter precision_dtype"
    )
    workers: int | None = Field(
        default=None,
        ge=0,
        description="processes (one or two on a CPU: threads) that load images; unset is chosen from the cores",
        examples=[4],
    )
    loader: Literal["standard", "dali"] = Field(
        default="standard",
        description="what decodes and augments training images; dali needs the extra dali (image classification)",
    )
    cache: Literal["auto", "memory", "disk", "none"] = Field(
        default="auto",
        description="where images are kept once they are decoded; auto is memory if a quarter of what is free suffices",
    )
    cache_folder: Path | None = Field(
        default=None, description="folder for cache=disk; unset is cache in the run folder", examples=["decoded"]
    )
    scaled_decode: bool | None = Field(
        default=None,
        description="decode JPEGs at 1/2, 1/4 or 1/8 where resizing makes them smaller still; changes pixels; unset is "
        "false in training, and in evaluation what the model was trained with",
    )
    channels_last: bool = Field(default=True, description="keep images in memory pixel by pixel, faster on GPUs")
    compile: bool = Field(default=False, description="compile the network with torch.compile")
    deterministic: bool = Field(
        default=False,
        description="use only GPU kernels that give the same bits in every run, slower; runs on a CPU always do",
    )
    accumulate: int = Field(default=1, ge=1, description="batches whose gradients are added before a step")
    fit_memory: bool = Field(
        default=False,
        description="divide mini_batch_size by the smallest number with which a step fits the memory, and multiply "
        "accumulate by it (one process)",
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        le=1000,
        description="cross-validate: as many runs, each validated on its part of channel train; for little data",
        examples=[5],
    )
    validation_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="hold out this share of channel train for validation, every class in proportion and images that"
        " look alike on one side; takes the place of channel validation",
        examples=[0.2],
    )
    max_broken: float = Field(default=0.01, ge=0, le=1, description="share of unusable images above which a run fails")
    bad_boxes: Literal["clip", "drop", "fail"] = Field(
        default="clip", description="what to do with boxes that leave their image (object detection)"
    )
    weights_folder: Path | None = Field(
        default_factory=_weights_from_environment,
        description=f"folder of ImageNet weights; unset takes {WEIGHTS_VARIABLE}, else downloads",
        examples=["weights"],
    )
    backbone: str | None = Field(
        default=None,
        description="network in place of that of the hyperparameters, as LIBRARY:NAME (image classification); timm "
        "needs the extra timm",
        examples=["timm:convnext_tiny"],
    )
    new_head: bool = Field(
        default=False, description="give the start model a new last layer where num_classes differs from its own"
    )
    checkpoint_every_steps: int | None = Field(
        default=None, ge=1, description="also save a checkpoint for resuming every n steps", examples=[500]
    )
    stall_timeout_s: float = Field(
        default=600.0,
        gt=0,
        description="seconds without data in Pipe mode, from a loader process or from another machine that end a run",
    )
    log_every_steps: int = Field(default=20, ge=1, description="steps between two progress lines")
    progress: Literal["auto", "bar", "plain", "none"] = Field(
        default="auto", description="auto is a bar on a terminal and plain lines elsewhere"
    )
    loggers: tuple[Literal["csv", "tensorboard", "mlflow", "wandb"], ...] = Field(
        default=("csv",),
        description="where metrics are written, besides metrics.csv; mlflow and wandb on this machine only",
        examples=["csv,tensorboard"],
    )
    class_names: tuple[str, ...] | None = Field(
        default=None,
        description="names in the order of the class ids",
        examples=["cat,dog"],
        json_schema_extra={"note": "a comma-separated list, or a text file with one name a line"},
    )
    report: bool = Field(default=True, description="draw the report at the end")
    max_archive_gb: float = Field(
        default=8.0, gt=0, description="unpacked size in GB above which an archive is refused"
    )

    @property
    def divides_train(self) -> bool:
        """Whether both training and validation images come from channel train."""
        return self.folds is not None or self.validation_share is not None

    @classmethod
    def read_text(cls, name: str, form: Form, value: object) -> object:
        if name == "class_names" and isinstance(value, str | Path) and "," not in str(value):
            path = local_path(str(value).strip())
            if path.is_file():
                return _names_in(path)
        return super().read_text(name, form, value)

    @classmethod
    def hint(cls, name: str, value: object) -> str | None:
        if name == "class_names" and isinstance(value, str | Path) and Path(str(value).strip()).is_file():
            return f"Run setting class_names is the file {value}, which is no UTF-8 text of one name a line."
        return device_hint(cls.NOUN, value) if name == "device" else None

    @classmethod
    def rows(cls) -> tuple[HyperparameterRow, ...]:
        """Return the settings in the order of their declaration, those of learning and augmentation last."""
        later = (*LearningSettings.model_fields, *AugmentationSettings.model_fields)
        return tuple(sorted(table_rows(cls), key=lambda row: later.index(row.name) if row.name in later else -1))


def _names_in(path: Path) -> tuple[str, ...]:
    if path.stat().st_size > _LARGEST_NAMES_FILE:
        raise ValueError("too large")
    try:
        with open_regular_text(path) as file:
            lines = file.read().split("\n")
    except OSError as error:
        raise UserError(f"Run setting class_names is the file {path}, which cannot be read: {error}.") from error
    return tuple(strip_blanks(line) for line in lines if line.strip())

"""How a network learns, beyond SageMaker's hyperparameters. Each setting works alone, and unset changes nothing."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field

from vision.settings.class_weights import BALANCED, NOTE, weights_problem
from vision.settings.form import Form
from vision.settings.nearest import shown
from vision.settings.table import Rule, SettingsTable

# The value of ``freeze`` that holds all but the head fixed.
BASE = "base"


def _freeze_problem(given: LearningSettings) -> str | None:
    if given.freeze is None or given.freeze == BASE:
        return None
    advice = f"give {BASE}, a number of stages, or for example freeze=.*layer[12].*"
    if given.freeze.lstrip("+-").isdigit():
        return (
            None if given.frozen_stages else f"Run setting freeze is {given.freeze}, which freezes nothing: {advice}."
        )
    try:
        re.compile(given.freeze)
    except (re.error, OverflowError, RecursionError) as error:
        return f"Run setting freeze is {shown(given.freeze)}, which is no regular expression ({error}): {advice}."
    return None


def _freeze_epochs_problem(given: LearningSettings) -> str | None:
    if given.freeze_epochs is None or given.freeze is not None:
        return None
    return (
        f"Run setting freeze_epochs is {given.freeze_epochs}, but nothing is frozen: say what, for example"
        f" freeze={BASE}, or leave it out."
    )


class LearningSettings(SettingsTable):
    """What a run may change about the way its network learns."""

    NOUN: ClassVar[str] = "Run setting"
    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(("freeze",), _freeze_problem),
        Rule(("freeze", "freeze_epochs"), _freeze_epochs_problem),
        Rule(("class_weights",), lambda given: weights_problem(given.NOUN, given.class_weights)),
    )

    warmup_epochs: float = Field(
        default=0.0, ge=0, description="epochs over which the learning rate rises from zero to its full value"
    )
    schedule: Literal["auto", "constant", "step", "poly", "cosine"] = Field(
        default="auto", description="how the learning rate falls; auto follows the hyperparameters"
    )
    momentum_correction: bool = Field(
        default=True,
        description="when the rate changes, let momentum keep the earlier steps' own rates, as MXNet does; false is "
        "PyTorch's way, in which a drop of the rate is felt at once",
    )
    decay_weights_only: bool = Field(
        default=False, description="no weight decay on biases and on the scale and shift of normalization"
    )
    base_rate_factor: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="what the learning rate is multiplied by for the base network, everything before the head; 0.1 is "
        "usual with pretrained weights",
    )
    freeze: str | None = Field(
        default=None,
        description="parts that are not trained and whose batch normalization keeps its statistics: base (all but the "
        "head), the first n stages (1 is the stem), or a regular expression for the beginning of parameter names",
        examples=[BASE],
        json_schema_extra={"note": "base, a number of stages or a regular expression"},
    )
    freeze_epochs: int | None = Field(
        default=None, ge=1, description="epochs after which frozen parts are trained, too; unset is never", examples=[3]
    )
    freeze_batch_norm: bool = Field(
        default=False,
        description="batch normalization of the base network keeps statistics, scale and shift; for pretrained weights "
        "and small batches",
    )
    batch_norm_batches: int = Field(
        default=0,
        ge=0,
        description="measure the statistics of batch normalization on the last n batches of training before each "
        "validation; 10 lifts the early epochs of small data",
    )
    ema_decay: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="evaluate and keep an exponential moving average of the weights with this decay an update",
        examples=[0.998],
    )
    clip_gradient_norm: float | None = Field(
        default=None, gt=0, description="length above which the gradient of an update is shortened", examples=[1.0]
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of each label that is shared out among all classes; 0.1 is usual (not for boxes)",
    )
    class_weights: str | None = Field(
        default=None,
        description="what the loss of each class counts, where images have one label each; balanced: the rarer a class "
        "in training, the more",
        examples=["0.5,1,2", BALANCED],
        json_schema_extra={"note": NOTE},
    )
    objective: str | None = Field(
        default=None,
        description="metric of validation by which the best model is kept and training stops early, such as mAP; unset "
        "is the algorithm's",
        examples=["macro_f1"],
        json_schema_extra={"note": "a metric of which more is better"},
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="epochs without a better objective after which training ends; unset follows early_stopping",
        examples=[5],
    )

    @classmethod
    def read_text(cls, name: str, form: Form, value: object) -> object:
        # From Python a number of stages is a number.
        return super().read_text(name, form, str(value) if name == "freeze" and type(value) is int else value)

    @property
    def frozen_stages(self) -> int | None:
        """The number of stages that ``freeze`` names, if it names one."""
        text = self.freeze or ""
        return int(text) if text.isdecimal() else None

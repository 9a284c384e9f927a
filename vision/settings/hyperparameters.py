"""Hyperparameters: SageMaker's documented table of an algorithm as one typed class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from vision.settings.table import Rule, SettingsTable

# Required by SageMaker; here ``vision.data.counting`` counts them in the data if they are left out.
COUNTED = ("num_classes", "num_training_samples")
COUNTED_DEFAULT = "counted"


@dataclass(frozen=True)
class Tunable:
    """The range SageMaker recommends for tuning; metadata of a field. Categorical: ``choices`` only."""

    kind: Literal["continuous", "integer", "categorical"]
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    scale: Literal["linear", "log"] = "linear"

    def __str__(self) -> str:
        return ", ".join(self.choices) if self.choices else f"{self.low:g} .. {self.high:g} ({self.scale})"


@dataclass(frozen=True)
class HyperparameterRow:
    """A setting as help, README and tests print it; ``default`` is empty where there is none."""

    name: str
    required: bool
    kind: str
    valid: str
    default: str
    tunable: Tunable | None
    description: str


class Hyperparameters(SettingsTable):
    """Base of every algorithm's table."""

    NOUN: ClassVar[str] = "Hyperparameter"
    # The platform adds these itself; they were seen in the built-in algorithms' own configurations.
    FOREIGN: ClassVar[Mapping[str, str]] = {}
    """Names that people know from elsewhere, each with what to say of it."""
    IGNORED: ClassVar[frozenset[str]] = frozenset({"_tuning_objective_metric", "_kvstore", "_num_kv_servers"})

    @classmethod
    def hint(cls, name: str, value: object) -> str | None:
        """Return the sentence for a known mistake: a foreign name, or a count that is missing and cannot be counted."""
        if name in cls.FOREIGN:
            return f"{cls.NOUN} {name} {cls.FOREIGN[name]}"
        if name in COUNTED and value is None:
            form, examples = cls.forms()[name], cls.model_fields[name].examples or ["1"]
            return (
                f"{cls.NOUN} {name} is left out and cannot be counted in channel train: give {form.valid}, for example "
                f"{name}={examples[0]}."
            )
        return super().hint(name, value)

    @classmethod
    def rows(cls) -> tuple[HyperparameterRow, ...]:
        """Return the rows of the table: counted and required ones first, then by name."""
        return tuple(sorted(table_rows(cls), key=lambda row: (row.name not in COUNTED, not row.required, row.name)))

    def warnings(self) -> list[str]:
        """Return a sentence for each given value that has no effect or is probably a mistake."""
        return []


def missing_counts(hyperparameters: Mapping[str, object]) -> list[str]:
    """Return the names of the counts that the user left out."""
    return [name for name in COUNTED if hyperparameters.get(name) in (None, "")]


def table_rows(table: type[SettingsTable]) -> Iterator[HyperparameterRow]:
    """Yield the fields of a table in the order of their declaration."""
    forms = table.forms()
    for name, field in table.model_fields.items():
        form = forms[name]
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        yield HyperparameterRow(
            name=name,
            required=field.is_required() and name not in COUNTED,
            kind=form.kind_text,
            valid=form.valid,
            default=COUNTED_DEFAULT if name in COUNTED else "" if default in (None, ()) else form.write(default),
            tunable=next((item for item in field.metadata if isinstance(item, Tunable)), None),
            description=field.description or "",
        )


class TrainingHyperparameters(Hyperparameters):
    """The hyperparameters that the shared trainer reads. Those whose range differs by algorithm are only declared."""

    SCHEDULE_SETTINGS: ClassVar[frozenset[str]] = frozenset()
    """The hyperparameters that the schedule of the learning rate reads."""
    OPTIMIZER_USES: ClassVar[dict[str, frozenset[str]]] = {}
    """The hyperparameters that each optimizer reads; vision/training/optimizer.py."""

    num_classes: int = Field(ge=1, description="number of classes; counted if left out", examples=[10])
    num_training_samples: int = Field(
        ge=1,
        description="images in the training set; counted if left out, else checked",
        examples=[1000],
    )
    epochs: int = Field(default=30, ge=1, description="passes over the training set")
    mini_batch_size: int
    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    early_stopping: bool = Field(default=False, description="stop when the validation metric no longer improves")
    early_stopping_min_epochs: int = Field(default=10, ge=1, description="epochs that always run")
    early_stopping_patience: int = Field(default=5, ge=1, description="epochs without improvement before stopping")
    early_stopping_tolerance: float = Field(
        default=0.0, ge=0, le=1, description="relative improvement of the validation metric that counts as one"
    )
    use_pretrained_model: bool

    def optimizer_settings(self) -> dict[str, float]:
        """Return the values in this table that the chosen optimizer reads."""
        names = sorted(self.OPTIMIZER_USES[self.optimizer] & type(self).model_fields.keys())
        return {name: getattr(self, name) for name in names}

    @property
    def schedule(self) -> str:
        """Return the name of the learning rate's schedule in vision/training/schedule.py."""
        return "constant"

    @property
    def precision(self) -> str:
        """Return the arithmetic of training, float32 or float16."""
        return "float32"

    @property
    def validation_batch(self) -> int:
        """Return the number of images in a batch of validation."""
        return self.mini_batch_size

    @property
    def sync_batch_norm(self) -> bool:
        """Return whether batch normalization in training takes its statistics over all GPUs together."""
        return False

    @property
    def objectives(self) -> tuple[str, ...]:
        """Return the metrics by which the best model may be chosen; none: the algorithm's objective alone."""
        return ()

    @property
    def class_weighing(self) -> str | None:
        """Return the setting that weighs the loss of the classes, such as run.class_weights; None if there is none."""
        return None

    @property
    def kept_every_epochs(self) -> int | None:
        """Keep the model of every n-th epoch; None keeps the best only."""
        return None

    def warnings(self) -> list[str]:
        given = self.model_fields_set
        found = []
        uses = self.OPTIMIZER_USES[self.optimizer]
        optional = frozenset().union(*self.OPTIMIZER_USES.values())
        for name in sorted(given & (self._with_schedule(optional) - self._with_schedule(uses))):
            users = [other for other, names in self.OPTIMIZER_USES.items() if name in self._with_schedule(names)]
            found.append(
                f"Hyperparameter {name} has no effect with optimizer={self.optimizer};"
                f" it is read by {', '.join(users)}."
            )
        if not self.early_stopping:
            for name in sorted(given & set(EARLY_STOPPING)):
                found.append(f"Hyperparameter {name} has no effect unless early_stopping=True.")
        if self.early_stopping and self.early_stopping_min_epochs >= self.epochs:
            found.append(
                f"Hyperparameter early_stopping has no effect: early_stopping_min_epochs is"
                f" {self.early_stopping_min_epochs} and epochs is {self.epochs}."
            )
        return found

    @classmethod
    def _with_schedule(cls, names: frozenset[str]) -> frozenset[str]:
        """Return the names that an optimizer reads and those of the schedule, which only matters with a rate."""
        return names | cls.SCHEDULE_SETTINGS if "learning_rate" in names else names


EARLY_STOPPING = ("early_stopping_min_epochs", "early_stopping_patience", "early_stopping_tolerance")


def _steps_increase(given: StepScheduleHyperparameters) -> str | None:
    steps = given.lr_scheduler_step
    ordered = tuple(sorted(set(steps)))
    if steps == ordered and all(step >= 1 for step in steps):
        return None
    fixed = ",".join(str(step) for step in ordered if step >= 1) or "10,20"
    return (
        f"Hyperparameter lr_scheduler_step is {','.join(map(str, steps))} but must be increasing epochs of at"
        f" least 1: give for example lr_scheduler_step={fixed}."
    )


class StepScheduleHyperparameters(TrainingHyperparameters):
    """A learning rate that drops at given epochs."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("lr_scheduler_step",), _steps_increase),)
    SCHEDULE_SETTINGS: ClassVar[frozenset[str]] = frozenset({"lr_scheduler_step", "lr_scheduler_factor"})
    FOREIGN: ClassVar[Mapping[str, str]] = {
        "use_lr_scheduler": "does not exist: giving lr_scheduler_step turns the schedule on, so leave it out.",
    }

    lr_scheduler_step: tuple[int, ...] = Field(
        default=(),
        description="epochs after which the learning rate is multiplied by lr_scheduler_factor",
        examples=["10,20"],
        json_schema_extra={"note": "comma-separated epochs"},
    )
    lr_scheduler_factor: float

    @property
    def schedule(self) -> str:
        return "step"

    def warnings(self) -> list[str]:
        found = super().warnings()
        if "learning_rate" not in self.OPTIMIZER_USES[self.optimizer]:
            return found
        if "lr_scheduler_factor" in self.model_fields_set and not self.lr_scheduler_step:
            found.append("Hyperparameter lr_scheduler_factor has no effect unless lr_scheduler_step is given.")
        late = [step for step in self.lr_scheduler_step if step >= self.epochs]
        if late:
            found.append(
                f"Hyperparameter lr_scheduler_step names {', '.join(map(str, late))}, but training ends after"
                f" {self.epochs} epochs, so the learning rate does not drop there."
            )
        return found


class KeyValueStoreHyperparameters(TrainingHyperparameters):
    """The choice of MXNet's key-value store, through which machines exchange gradients."""

    kv_store: Literal["dist_sync", "dist_async"] | None = Field(
        default=None, description="how several machines exchange gradients; no effect on one machine"
    )

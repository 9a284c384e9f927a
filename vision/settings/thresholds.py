"""Thresholds: the score from which a label counts as found, as users set it for all labels or for single ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vision.settings.errors import SettingsError
from vision.settings.nearest import did_you_mean, shown

MODEL = "model"


@dataclass(frozen=True)
class Thresholds:
    """``everywhere`` is for all labels that ``by_label`` does not name; None leaves them to be chosen for the best F1.

    ``of_model``: the labels that are not named take the thresholds that training stored in the model.
    """

    everywhere: float | None = None
    by_label: Mapping[str, float] = field(default_factory=dict)
    of_model: bool = False

    @classmethod
    def parse(cls, everywhere: object = None, by_label: Mapping[str, object] | None = None) -> Thresholds:
        """Parse thresholds; ``everywhere`` may also be "model". Raises SettingsError with every problem."""
        problems: list[str] = []
        of_model = everywhere == MODEL
        value = None
        if everywhere is not None and not of_model:
            value = _share("Setting threshold", everywhere, f"a number from 0 to 1, or {MODEL}", problems)
        found = {
            label: _share(f"Setting thresholds.{label}", text, "a number from 0 to 1", problems)
            for label, text in (by_label or {}).items()
        }
        if problems:
            raise SettingsError(problems)
        return cls(value, found, of_model)

    def of_classes(self, class_names: Sequence[str], stored: Mapping[str, float]) -> list[float | None]:
        """Return the threshold of each class, None to choose it; ``stored`` are the model's. Raises SettingsError."""
        unknown = [label for label in self.by_label if label not in class_names]
        problems = [
            f"Setting thresholds.{label} is for no label of the model: {did_you_mean(label, class_names)}"
            for label in unknown
        ]
        if self.of_model and not stored:
            problems.append(
                "Setting threshold is 'model', but this model stores none: it was trained without validation, "
                "imported, or made by an earlier version; give a number, or leave the setting out."
            )
        if problems:
            raise SettingsError(problems)
        others = stored if self.of_model else dict.fromkeys(class_names, self.everywhere)
        return [self.by_label.get(name, others.get(name)) for name in class_names]


def _share(setting: str, value: object, allowed: str, problems: list[str]) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not 0 <= number <= 1:
        problems.append(f"{setting} is {shown(value)} but must be {allowed}.")
    return number

"""The search space of a tuning job: ranges of its request as a space of the sweeps, and back to hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from vision.aws.sagemaker.tuning_request import NumericRange, ParameterRanges
from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import Tunable
from vision.settings.nearest import shown
from vision.sweeps.space import SearchSpace, tunable_ranges

# From this ratio of its ends on, a range is searched by the logarithm if the request leaves the choice.
_WIDE = 100.0
_DIGITS = 10


@dataclass(frozen=True)
class TuningSpace:
    """``space`` is that of the study. It has 1 - x in place of a hyperparameter x of ``reversed``."""

    space: SearchSpace
    reversed: frozenset[str]

    @classmethod
    def of(cls, ranges: ParameterRanges, algorithm: str) -> TuningSpace:
        """Read the ranges. Raises SettingsError with all problems."""
        documented = tunable_ranges(algorithm)
        dimensions: dict[str, Tunable] = {}
        problems: list[str] = []
        turned = set()
        for one in ranges.categorical_parameter_ranges:
            dimensions[one.name] = Tunable("categorical", choices=tuple(dict.fromkeys(one.values)))
        for is_integer, numeric in (
            (True, ranges.integer_parameter_ranges),
            (False, ranges.continuous_parameter_ranges),
        ):
            for wanted in numeric:
                try:
                    dimensions[wanted.name] = _numbers(wanted, is_integer, documented.get(wanted.name))
                except ValueError as error:
                    problems.append(f"range of hyperparameter {wanted.name}: {error}")
                if wanted.scaling_type == "ReverseLogarithmic":
                    turned.add(wanted.name)
        if problems:
            raise SettingsError(problems)
        return cls(SearchSpace(dimensions, {}, ""), frozenset(turned))

    def tuned(self, drawn: Mapping[str, str]) -> dict[str, str]:
        """Return the hyperparameters of values that the study has drawn."""
        return {name: _complement(text) if name in self.reversed else text for name, text in drawn.items()}

    # Texts such as 0.999 come back unchanged: the complement of a complement is the same number of digits.
    drawn = tuned

    def probes(self) -> Iterator[dict[str, str]]:
        """Yield hyperparameters in which every category and both ends of every range occur."""
        most = max((len(one.choices) for one in self.space.dimensions.values()), default=0)
        for number in range(max(2, most)):
            drawn = {}
            for name, values in self.space.dimensions.items():
                if values.kind == "categorical":
                    drawn[name] = values.choices[number % len(values.choices)]
                else:
                    end = values.high if number % 2 else values.low
                    assert end is not None
                    drawn[name] = str(int(end)) if values.kind == "integer" else f"{end:.{_DIGITS}g}"
            yield self.tuned(drawn)

    def grid(self) -> Iterator[dict[str, str]]:
        """Yield all combinations of the categories."""
        names = list(self.space.dimensions)
        for values in product(*(self.space.dimensions[name].choices for name in names)):
            yield dict(zip(names, values, strict=True))


def _numbers(wanted: NumericRange, is_integer: bool, documented: Tunable | None) -> Tunable:
    """Return a range as the study draws it. Raises ValueError."""
    low, high = _number("MinValue", wanted.min_value, is_integer), _number("MaxValue", wanted.max_value, is_integer)
    if low > high:
        raise ValueError(f"MinValue {wanted.min_value} is larger than MaxValue {wanted.max_value}")
    if wanted.scaling_type == "ReverseLogarithmic":
        if is_integer or low < 0 or high >= 1:
            raise ValueError("ReverseLogarithmic is for continuous values from 0 to below 1")
        return Tunable("continuous", float(_complement(f"{high}")), float(_complement(f"{low}")), scale="log")
    is_log = wanted.scaling_type == "Logarithmic"
    if is_log and low <= 0:
        raise ValueError(f"MinValue is {wanted.min_value}, but ScalingType Logarithmic needs values above 0")
    if wanted.scaling_type == "Auto" and low > 0:
        is_log = documented.scale == "log" if documented is not None else high / low >= _WIDE
    return Tunable("integer" if is_integer else "continuous", low, high, scale="log" if is_log else "linear")


def _number(name: str, text: str, is_integer: bool) -> float:
    try:
        number = float(int(text)) if is_integer else float(text)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} is {shown(text)}, which is no {'integer' if is_integer else 'number'}")
    return number


def _complement(text: str) -> str:
    return f"{1 - float(text):.{_DIGITS}g}"

"""Search spaces: which hyperparameters a sweep varies, and over which values.

Ranges are texts in the grammar that Hydra's Optuna plugin also reads: ``interval(0.1,0.9)``, ``int(interval(8,64))``,
``tag(log,interval(1e-6,0.5))``, ``range(2,9,2)`` (the end left out), ``choice(sgd,adam)`` or plainly ``sgd,adam``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from vision import algorithms
from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import TrainingHyperparameters, Tunable
from vision.settings.nearest import shown

SMALLEST_ABOVE_ZERO = 1e-6
MOST_CHOICES = 1000
_FUNCTION = re.compile(r"(int|float|tag|interval|choice|range)\((.*)\)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?\d{1,15}")
ALLOWED = "interval(0.1,0.9), int(interval(8,64)), tag(log,interval(1e-6,0.5)), range(1,9,2) or choice(a,b)"


class Suggester(Protocol):
    """The methods of ``optuna.Trial`` that are used here."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...
    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...
    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


@dataclass(frozen=True)
class SearchSpace:
    """``dimensions`` by hyperparameter, the optimizer first.

    ``uses`` are the hyperparameters that only some optimizers read, by optimizer; ``optimizer`` is the one of all
    trials where it is not itself varied.
    """

    dimensions: Mapping[str, Tunable]
    uses: Mapping[str, frozenset[str]]
    optimizer: str

    def names(self, optimizer: str) -> list[str]:
        """Return the dimensions that have an effect with an optimizer."""
        optional = frozenset[str]().union(*self.uses.values())
        return [name for name in self.dimensions if name not in optional - self.uses.get(optimizer, frozenset())]

    def suggest(self, trial: Suggester) -> dict[str, str]:
        """Draw values, as texts to give on a command line: only those that the drawn optimizer uses."""
        found: dict[str, str] = {}
        optimizer = self.optimizer
        if "optimizer" in self.dimensions:
            found["optimizer"] = optimizer = _draw(trial, "optimizer", self.dimensions["optimizer"])
        for name in self.names(optimizer):
            if name not in found:
                found[name] = _draw(trial, name, self.dimensions[name])
        return found

    def read_values(self, settings: Mapping[str, str]) -> dict[str, float | int | str]:
        """Return the values of the texts that ``suggest`` returned. Raises ValueError for one outside the space."""
        return {name: _read_value(values, settings.get(name, "")) for name, values in self.dimensions.items()}

    def to_json(self) -> dict[str, object]:
        """Return the space as JSON for the sweep's file."""
        return {
            "dimensions": {name: write_range(values) for name, values in self.dimensions.items()},
            "uses": {name: sorted(read) for name, read in self.uses.items()},
            "optimizer": self.optimizer,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SearchSpace:
        """Read the JSON that ``to_json`` returned."""
        return cls(
            {name: read_range(f"hp.{name}", text) for name, text in document["dimensions"].items()},
            {name: frozenset(read) for name, read in document["uses"].items()},
            str(document["optimizer"]),
        )


def is_range(text: str) -> bool:
    """Return whether the text is a function of the grammar, rather than a value or a plain list."""
    return _FUNCTION.fullmatch(text.strip()) is not None


def read_range(name: str, text: str) -> Tunable:
    """Parse the range of the setting ``name``. Raises SettingsError."""
    try:
        return _read(text.strip(), "linear", False)
    except ValueError as error:
        raise SettingsError(
            [f"Setting {name} is {shown(text)}, which is not a range of values ({error}): write {ALLOWED}."]
        ) from error


def write_range(values: Tunable) -> str:
    """Return the text from which ``read_range`` reads the same values."""
    if values.kind == "categorical":
        return f"choice({','.join(_quoted(choice) for choice in values.choices)})"
    # Hydra makes the ends of an interval floating-point numbers, hence int() around it.
    assert values.low is not None
    assert values.high is not None
    text = f"interval({values.low:g},{values.high:g})"
    text = f"int({text})" if values.kind == "integer" else text
    return f"tag(log,{text})" if values.scale == "log" else text


def _read(text: str, scale: str, as_integer: bool) -> Tunable:
    found = _FUNCTION.fullmatch(text)
    if found is None:
        return _categorical(_items(text))
    function, inner = found[1], found[2].strip()
    if function == "tag":
        tag, comma, rest = inner.partition(",")
        if tag.strip() != "log" or not comma:
            raise ValueError("the only tag is log")
        return _read(rest.strip(), "log", as_integer)
    if function == "int":
        return _read(inner, scale, True)
    if function == "interval":
        return _interval(_items(inner), scale, as_integer)
    if function == "range":
        return _range(_items(inner))
    if function == "choice":
        return _categorical(_items(inner))
    return _read(inner, scale, False)


def _items(text: str) -> list[str]:
    (row,) = list(csv.reader([text], quotechar="'", skipinitialspace=True)) or [[]]
    return [item.strip() for item in row]


def _categorical(items: list[str]) -> Tunable:
    if len(items) < 2 or not all(items):
        raise ValueError("it needs two values or more")
    if len(set(items)) < len(items):
        raise ValueError("a value stands there twice")
    return Tunable("categorical", choices=tuple(items))


def _interval(items: list[str], scale: str, as_integer: bool) -> Tunable:
    if len(items) != 2:
        raise ValueError("an interval has two ends")
    low, high = (float(item) for item in items)
    if not low < high < float("inf"):
        raise ValueError("the first end must be the smaller one")
    if scale == "log" and low <= 0:
        raise ValueError("a logarithmic interval starts above 0")
    if as_integer and not (low.is_integer() and high.is_integer()):
        raise ValueError("its ends must be integers")
    kind = "integer" if as_integer else "continuous"
    return Tunable(kind, low, high, scale="log" if scale == "log" else "linear")  # type: ignore[arg-type]


def _range(items: list[str]) -> Tunable:
    if not 1 <= len(items) <= 3 or not all(_INTEGER.fullmatch(item) for item in items):
        raise ValueError("a range has integers as start, end and step")
    numbers = range(*map(int, items))
    if len(numbers) > MOST_CHOICES:
        raise ValueError(f"it has more than {MOST_CHOICES} values")
    return _categorical([str(number) for number in numbers])


def _quoted(choice: str) -> str:
    return f"'{choice}'" if "," in choice else choice


def table_of(algorithm: str) -> type[TrainingHyperparameters]:
    """Return the class of the algorithm's hyperparameters, without importing torch."""
    table = algorithms.facts_of(algorithm).hyperparameters
    assert issubclass(table, TrainingHyperparameters)
    return table


def tunable_ranges(algorithm: str) -> dict[str, Tunable]:
    """Return the ranges that SageMaker documents for tuning, cut to what the algorithm accepts."""
    table = table_of(algorithm)
    forms = table.forms()
    return {
        row.name: _above(row.tunable, excluded=forms[row.name].low if forms[row.name].low_open else None)
        for row in table.rows()
        if row.tunable
    }


def documented_space(algorithm: str, optimizer: str | None, fixed: Iterable[str] = ()) -> SearchSpace:
    """Return the space of all tunable hyperparameters but the ``fixed`` ones; ``optimizer`` None varies it too."""
    table, leave_out = table_of(algorithm), set(fixed)
    if optimizer is not None:
        leave_out.add("optimizer")
    ranges = {name: values for name, values in tunable_ranges(algorithm).items() if name not in leave_out}
    space = SearchSpace(ranges, table.OPTIMIZER_USES, optimizer or "")
    return space if optimizer is None else SearchSpace(_only(ranges, space.names(optimizer)), space.uses, optimizer)


def given_space(algorithm: str, ranges: Mapping[str, str], optimizer: str) -> SearchSpace:
    """Return the space of ranges written by people. Raises SettingsError for those that the optimizer never reads."""
    uses = table_of(algorithm).OPTIMIZER_USES
    read: dict[str, Tunable] = {}
    problems: list[str] = []
    for name, text in ranges.items():
        try:
            read[name] = read_range(f"hp.{name}", text)
        except SettingsError as error:
            problems += error.problems
    space = SearchSpace(_optimizer_first(read), uses, optimizer)
    drawn = read["optimizer"].choices if "optimizer" in read else (optimizer,)
    useful = {name for choice in drawn for name in space.names(choice)}
    for name in read:
        if name not in useful:
            readers = [other for other, names in uses.items() if name in names]
            problems.append(
                f"Setting hp.{name} is varied but has no effect with optimizer={', '.join(drawn)}: leave it out, or"
                f" take one of the optimizers that read it, {', '.join(readers)}."
            )
    if problems:
        raise SettingsError(problems)
    return space


def _only(ranges: Mapping[str, Tunable], names: Iterable[str]) -> dict[str, Tunable]:
    return {name: ranges[name] for name in names}


def _optimizer_first(ranges: Mapping[str, Tunable]) -> dict[str, Tunable]:
    return dict(sorted(ranges.items(), key=lambda item: item[0] != "optimizer"))


def _above(values: Tunable, excluded: float | None) -> Tunable:
    """Return the range without its lower end if the hyperparameter does not accept that."""
    if excluded is None or values.low is None or values.low > excluded:
        return values
    return Tunable(values.kind, excluded + SMALLEST_ABOVE_ZERO, values.high, scale=values.scale)


def _read_value(values: Tunable, text: str) -> float | int | str:
    if values.kind == "categorical":
        if text not in values.choices:
            raise ValueError(f"{shown(text)} is none of {', '.join(values.choices)}")
        return text
    assert values.low is not None
    assert values.high is not None
    number = int(text) if values.kind == "integer" else float(text)
    if not values.low <= number <= values.high:
        raise ValueError(f"{shown(text)} does not lie between {values.low:g} and {values.high:g}")
    return number


def _draw(trial: Suggester, name: str, values: Tunable) -> str:
    if values.kind == "categorical":
        return str(trial.suggest_categorical(name, values.choices))
    assert values.low is not None
    assert values.high is not None
    log = values.scale == "log"
    if values.kind == "integer":
        return str(trial.suggest_int(name, int(values.low), int(values.high), log=log))
    # Six digits: the run uses exactly what the table and the best command line show.
    return f"{trial.suggest_float(name, values.low, values.high, log=log):.6g}"

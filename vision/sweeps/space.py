"""Search spaces: which hyperparameters a sweep varies, and over which values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from vision import algorithms
from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import TrainingHyperparameters, Tunable
from vision.sweeps.range_text import read_range, write_range

SMALLEST_ABOVE_ZERO = 1e-6


class Suggester(Protocol):
    """What is used of ``optuna.Trial``."""

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
        """The dimensions that matter with an optimizer."""
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

    def to_json(self) -> dict[str, Any]:
        """The space for the sweep's file."""
        return {
            "dimensions": {name: write_range(values) for name, values in self.dimensions.items()},
            "uses": {name: sorted(read) for name, read in self.uses.items()},
            "optimizer": self.optimizer,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SearchSpace:
        """What ``to_json`` gave."""
        return cls(
            {name: read_range(f"hp.{name}", text) for name, text in document["dimensions"].items()},
            {name: frozenset(read) for name, read in document["uses"].items()},
            str(document["optimizer"]),
        )


def table_of(algorithm: str) -> type[TrainingHyperparameters]:
    """The algorithm's hyperparameters; imports no torch."""
    table = algorithms.facts_of(algorithm).hyperparameters
    assert issubclass(table, TrainingHyperparameters)
    return table


def tunable_ranges(algorithm: str) -> dict[str, Tunable]:
    """The ranges that SageMaker documents for tuning, within what the algorithm accepts."""
    table = table_of(algorithm)
    forms = table.forms()
    return {
        row.name: _above(row.tunable, excluded=forms[row.name].low if forms[row.name].low_open else None)
        for row in table.rows()
        if row.tunable
    }


def documented_space(algorithm: str, optimizer: str | None, fixed: Iterable[str] = ()) -> SearchSpace:
    """All tunables but the ``fixed`` ones; without an ``optimizer`` it is varied, too."""
    table, leave_out = table_of(algorithm), set(fixed)
    if optimizer is not None:
        leave_out.add("optimizer")
    ranges = {name: values for name, values in tunable_ranges(algorithm).items() if name not in leave_out}
    space = SearchSpace(ranges, table.OPTIMIZER_USES, optimizer or "")
    return space if optimizer is None else SearchSpace(_only(ranges, space.names(optimizer)), space.uses, optimizer)


def given_space(algorithm: str, ranges: Mapping[str, str], optimizer: str) -> SearchSpace:
    """The space of ranges written by people. Raises SettingsError for what an ``optimizer`` would not read."""
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
    """The range without the lower end, where the hyperparameter does not take it."""
    if excluded is None or values.low is None or values.low > excluded:
        return values
    return Tunable(values.kind, excluded + SMALLEST_ABOVE_ZERO, values.high, scale=values.scale)


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

"""Ranges as texts, in the grammar that Hydra's Optuna plugin also reads.

``interval(0.1,0.9)``, ``int(interval(8,64))``, ``tag(log,interval(1e-6,0.5))``, ``range(2,9,2)`` (the end left out),
``choice(sgd,adam)`` or plainly ``sgd,adam``.
"""

from __future__ import annotations

import csv
import re

from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import Tunable
from vision.settings.nearest import shown

MOST_CHOICES = 1000
_FUNCTION = re.compile(r"(int|float|tag|interval|choice|range)\((.*)\)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?\d{1,15}")
ALLOWED = "interval(0.1,0.9), int(interval(8,64)), tag(log,interval(1e-6,0.5)), range(1,9,2) or choice(a,b)"


def is_range(text: str) -> bool:
    """Whether the text is a function of the grammar, rather than a value or a plain list."""
    return _FUNCTION.fullmatch(text.strip()) is not None


def read_range(name: str, text: str) -> Tunable:
    """The values that a text means. Raises SettingsError naming the setting ``name``."""
    try:
        return _read(text.strip(), "linear", False)
    except ValueError as error:
        raise SettingsError(
            [f"Setting {name} is {shown(text)}, which is no range of values ({error}): write {ALLOWED}."]
        ) from error


def write_range(values: Tunable) -> str:
    """The text that ``read_range`` takes back to the same values."""
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

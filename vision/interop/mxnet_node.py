"""One node of an MXNet graph and the typed reading of its attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from vision.interop.mxnet_operators import DEFAULTS, VARIABLE
from vision.settings.errors import DataError

# Longer than any shape or list of anchor sizes.
MAX_TUPLE = 64
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
Number = TypeVar("Number", int, float)
Parsed = TypeVar("Parsed")


class Output(NamedTuple):
    """Output number ``output`` of the node at ``node`` in the graph's list."""

    node: int
    output: int


@dataclass(frozen=True, slots=True)
class Node:
    """An operator, or a variable when ``op`` is "null".

    ``op`` is the current name of the operator. ``attributes`` are as the file gives them; the methods parse them
    and fill in MXNet's default. On a variable they are hints copied from its consumer. ``key`` names file and node.
    """

    index: int
    op: str
    name: str
    inputs: tuple[Output, ...]
    attributes: Mapping[str, str]
    key: str

    @property
    def is_variable(self) -> bool:
        return self.op == VARIABLE

    def has(self, attribute: str) -> bool:
        """Whether the attribute is given in the file or has a default."""
        return self._raw(attribute) is not None

    def text(self, attribute: str) -> str:
        """A word, such as ``relu``."""
        raw = self._raw(attribute)
        if raw is None:
            raise DataError(self.key, f"the operator {self.op} has no attribute {attribute!r}, which it needs")
        return raw

    def flag(self, attribute: str) -> bool:
        """A truth value: True, False, 1 or 0."""
        text = self.text(attribute)
        if text.lower() not in _FLAGS:
            raise self._error(attribute, "True or False")
        return _FLAGS[text.lower()]

    def integer(self, attribute: str) -> int:
        """A whole number."""
        return self._parse(attribute, "a whole number", _integer)

    def number(self, attribute: str) -> float:
        """A finite number."""
        return self._parse(attribute, "a number", _number)

    def integers(self, attribute: str) -> tuple[int, ...]:
        """Whole numbers such as ``(3, 3)``; () when left out, which means the neutral value for each axis."""
        return self._parse(attribute, "whole numbers in brackets", lambda text: _tuple(text, _integer))

    def numbers(self, attribute: str) -> tuple[float, ...]:
        """Finite numbers such as ``(0.1, 0.141)``."""
        return self._parse(attribute, "numbers in brackets", lambda text: _tuple(text, _number))

    def _raw(self, attribute: str) -> str | None:
        given = self.attributes.get(attribute)
        return DEFAULTS.get(self.op, {}).get(attribute) if given in (None, "None") else given

    def _parse(self, attribute: str, wanted: str, parse: Callable[[str], Parsed]) -> Parsed:
        text = self.text(attribute)
        try:
            return parse(text)
        except ValueError:
            raise self._error(attribute, wanted) from None

    def _error(self, attribute: str, wanted: str) -> DataError:
        return DataError(self.key, f"attribute {attribute!r}: expected {wanted}, found {self.text(attribute)[:60]!r}")


def _integer(text: str) -> int:
    # Python 2 wrote long integers with an L.
    return int(text.strip().removesuffix("L"))


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _tuple(text: str, parse: Callable[[str], Number]) -> tuple[Number, ...]:
    text = text.strip()
    inside = text[1:-1] if text[:1] + text[-1:] in ("()", "[]") else text
    items = inside.strip().removesuffix(",").split(",") if inside.strip() else []
    if len(items) > MAX_TUPLE:
        raise ValueError(text)
    return tuple(parse(item) for item in items)

"""What one setting accepts: how its text is read and written, and its allowed values in words."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import annotated_types
from pydantic.fields import FieldInfo

from vision.settings.file_names import local_path

Kind = Literal["flag", "integer", "number", "choice", "text", "path", "integers", "shape", "names"]

_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"false", "0"})
_LONGEST_TEXT = 20_000
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}(\.0+)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """One field seen from outside.

    ``length`` is the count of a shape's integers. ``as_digit`` marks flags that SageMaker writes as 0 and 1.
    """

    kind: Kind
    choices: tuple[str | int, ...] = ()
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    length: int = 0
    as_digit: bool = False
    note: str | None = None

    @classmethod
    def of(cls, field: FieldInfo) -> Form:
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        bounds: dict[str, float | bool] = {}
        for item in field.metadata:
            if isinstance(item, annotated_types.Ge):
                bounds["low"] = typing.cast(float, item.ge)
            elif isinstance(item, annotated_types.Gt):
                bounds |= {"low": typing.cast(float, item.gt), "low_open": True}
            elif isinstance(item, annotated_types.Le):
                bounds["high"] = typing.cast(float, item.le)
            elif isinstance(item, annotated_types.Lt):
                bounds |= {"high": typing.cast(float, item.lt), "high_open": True}
        kind, choices, length = _kind(_without_none(field.annotation))
        note = extra.get("note")
        return cls(
            kind=kind,
            choices=choices,
            length=length,
            as_digit=bool(extra.get("as_digit")),
            note=note if isinstance(note, str) else None,
            **bounds,  # type: ignore[arg-type]
        )

    @property
    def kind_text(self) -> str:
        """Return the kind as tables print it."""
        if self.kind == "flag":
            return "0 / 1" if self.as_digit else "True / False"
        names = {"text": "string", "integers": "list of integers", "shape": "integers", "names": "list"}
        return names.get(self.kind, self.kind)

    @property
    def valid(self) -> str:
        """Return the allowed values in words, to follow "must be"."""
        if self.note is not None:
            return self.note
        if self.kind == "flag":
            return "0 or 1" if self.as_digit else "True or False"
        if self.kind == "choice":
            return _either(self.choices)
        if self.kind == "names":
            return f"a list of {_either(self.choices)}" if self.choices else "a comma-separated list"
        if self.kind in ("integer", "number"):
            return ("an integer" if self.kind == "integer" else "a number") + self._range()
        return {"text": "a text", "path": "a path"}.get(self.kind, "comma-separated integers")

    def _range(self) -> str:
        low, high = _plain(self.low), _plain(self.high)
        if low and high and not (self.low_open or self.high_open):
            return f" from {low} to {high}"
        parts = []
        if low:
            parts.append(f"above {low}" if self.low_open else f"of at least {low}")
        if high:
            parts.append(f"below {high}" if self.high_open else f"at most {high}")
        return " " + " and ".join(parts) if parts else ""

    def read(self, value: object) -> object:
        """Convert a text or typed value to the field's type; pydantic checks ranges. Raises ValueError."""
        if isinstance(value, str):
            value = value if self.kind == "path" else value.strip()
            if len(value) > _LONGEST_TEXT:
                raise ValueError("too long")
        if self.kind == "flag":
            return _flag(value)
        if self.kind == "integer" or (self.kind == "choice" and isinstance(self.choices[0], int)):
            return _integer(value)
        if self.kind == "number":
            return _number(value)
        if self.kind in ("integers", "shape"):
            return tuple(_integer(item) for item in _items(value))
        if self.kind == "names":
            return tuple(str(item).strip() for item in _items(value))
        if self.kind == "path" and isinstance(value, str | Path):
            return local_path(value)
        if not isinstance(value, str):
            raise ValueError("not a text")
        return value

    def write(self, value: object) -> str:
        """Return the text from which ``read`` reads the same value, as hyperparameters.json has it."""
        if self.kind == "flag":
            return str(int(bool(value))) if self.as_digit else str(bool(value))
        if isinstance(value, tuple):
            plain = value and not any(mark in str(item) for item in value for mark in ',"[]()')
            return ",".join(str(item) for item in value) if plain else json.dumps(value)
        return str(value)


def _kind(annotation: object) -> tuple[Kind, tuple[str | int, ...], int]:
    """Kind, choices and length of a field's annotation."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "choice", arguments, 0
    if origin is tuple:
        if arguments[0] is int:
            return ("integers", (), 0) if arguments[-1] is ... else ("shape", (), len(arguments))
        return "names", typing.get_args(arguments[0]), 0
    plain: dict[object, Kind] = {bool: "flag", int: "integer", float: "number", str: "text", Path: "path"}
    return plain[annotation], (), 0


def _without_none(annotation: object) -> object:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        (kept,) = [item for item in typing.get_args(annotation) if item is not type(None)]
        return kept
    return annotation


def _either(choices: Sequence[object]) -> str:
    *first, last = [str(choice) for choice in choices]
    return f"{', '.join(first)} or {last}" if first else last


def _flag(value: object) -> bool:
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise ValueError("not a flag")
    return text in _TRUE


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not an integer")
    if isinstance(value, str):
        value = value.strip()
        if not _INTEGER.fullmatch(value):
            raise ValueError("not an integer")
        return int(value.split(".")[0])
    if value != value or abs(value) >= 10**18 or value != int(value):
        raise ValueError("not an integer")
    return int(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not a number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("not a number")
    if isinstance(value, int) and abs(value) >= 10**18:
        raise ValueError("out of range")
    return float(value)


def _items(value: object) -> list[object]:
    """The items of "a, b", "(a,b)", "[a,b]", '["a", "b"]' or of a sequence."""
    if isinstance(value, str) and (value == "[]" or value.startswith('["')):
        try:
            value = json.loads(value)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
    if isinstance(value, str):
        if value[:1] + value[-1:] in ("()", "[]"):
            value = value[1:-1]
        items = value.split(",")
        # A single trailing comma is what Python prints for a tuple of one.
        return list(items[:-1] if len(items) > 1 and not items[-1].strip() else items)
    if isinstance(value, list | tuple):
        return list(value)
    return [value]


def _plain(bound: float | None) -> str:
    """A bound in figures, without an exponent if it is whole; "" for none."""
    if bound is None:
        return ""
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"

"""The words after the subject: ``name=value``, checked before anything is measured."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Name -> (default, meaning); a value is read as its default's type.
COMMON: dict[str, tuple[Any, str]] = {
    "output": ("", "file for the JSON"),
    "rounds": (7, "repetitions of everything, in alternation"),
    "seconds": (2.0, "about how long one repetition takes"),
    "clock": ("wall", "wall, or cpu: time of each side's processes alone, for a machine that others use too"),
    "peers": ("mxnet,dali", "which peers are installed (in environments of their own) and measured"),
    "only": ("", "only the work whose name contains this"),
}


class Settings:
    """``settings["rounds"]`` and so on. Ends with a sentence if a word is none of them."""

    def __init__(self, words: Sequence[str], own: Mapping[str, tuple[Any, str]]) -> None:
        known = {**COMMON, **own}
        self._values = {name: default for name, (default, _) in known.items()}
        for word in words:
            name, equals, text = word.partition("=")
            if not equals or name not in known:
                near = difflib.get_close_matches(name, known, 1)
                raise SystemExit(
                    f"{word!r} is no setting: give name=value with one of {', '.join(known)}"
                    + (f"; did you mean {near[0]}?" if near else "")
                )
            default = known[name][0]
            try:
                self._values[name] = type(default)(text)
            except ValueError:
                raise SystemExit(f"{name}={text}: give a number, such as {default}") from None
        if self["clock"] not in ("wall", "cpu"):
            raise SystemExit(f"clock={self['clock']}: give wall or cpu")
        if self["rounds"] < 1:
            raise SystemExit(f"rounds={self['rounds']}: give at least 1")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    @property
    def peers(self) -> tuple[str, ...]:
        return tuple(name for name in self["peers"].split(",") if name)

    @property
    def output(self) -> Path | None:
        return Path(self["output"]) if self["output"] else None

    def wants(self, work: str) -> bool:
        """Whether ``only`` lets this work be measured."""
        return self["only"].lower() in work.lower()

    def as_json(self) -> dict[str, Any]:
        return dict(self._values)

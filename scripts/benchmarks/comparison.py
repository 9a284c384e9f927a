"""One row of the table: some work, done by us and by a peer in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from measure import Summary, summary


@dataclass(frozen=True)
class Comparison:
    """``ours`` and ``theirs`` in ``unit``, of which more is better. ``ratio`` is ours / theirs, round by round.

    ``goal`` is the ratio of medians that the package sets itself. ``versions`` are those of both sides, ``details``
    whatever else is worth keeping.
    """

    work: str
    unit: str
    peer: str
    ours: Summary
    theirs: Summary
    ratio: Summary
    goal: float | None
    versions: dict[str, str]
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        work: str,
        unit: str,
        peer: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        goal: float | None,
        versions: dict[str, str],
    ) -> Comparison:
        """From the values of each round."""
        by_round = [a / b for a, b in zip(ours, theirs, strict=True)]
        return cls(work, unit, peer, summary(ours), summary(theirs), summary(by_round), goal, versions)

    @property
    def ratio_of_medians(self) -> float:
        return self.ours.median / self.theirs.median

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio_of_medians": round(self.ratio_of_medians, 3)}

    def cells(self) -> tuple[str, ...]:
        goal = "" if self.goal is None else f"{self.goal:g}"
        ratio = f"{self.ratio_of_medians:.2f} ({self.ratio.lower_quartile:.2f}-{self.ratio.upper_quartile:.2f})"
        return self.work, _cell(self.ours), self.peer, _cell(self.theirs), self.unit, str(self.ours.n), ratio, goal


HEADINGS = ("work", "ours", "peer", "peer's", "unit", "n", "times as fast", "goal")


def table(rows: Sequence[Comparison]) -> str:
    """The rows in Markdown: medians, and quartiles in brackets."""
    cells = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _cell(values: Summary) -> str:
    return f"{_number(values.median)} ({_number(values.lower_quartile)}-{_number(values.upper_quartile)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

"""When what was seen came and went: a row of a table for each track, or for each stretch of one label."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

COLUMNS = ("id", "label", "first_second", "last_second", "frames", "mean_score")


@dataclass
class Appearance:
    """What was seen from ``first_s`` to ``last_s``, in ``frames`` frames whose scores have the sum ``scores``."""

    id: int
    class_id: int
    first_s: float
    last_s: float
    frames: int = 0
    scores: float = 0.0

    def row(self, class_names: tuple[str, ...]) -> tuple[int, str, float, float, int, float]:
        """Return the cells of ``COLUMNS``."""
        mean = self.scores / self.frames
        times = round(self.first_s, 3), round(self.last_s, 3)
        return self.id, class_names[self.class_id], *times, self.frames, round(mean, 4)


class AppearanceTable:
    """Writes the row of an appearance when it is over: unseen for ``over_after_s``, so that few are in memory.

    ``write`` takes lines of CSV.
    """

    def __init__(self, class_names: tuple[str, ...], over_after_s: float, write: Callable[[str], object]) -> None:
        self._class_names = class_names
        self._over_after_s = over_after_s
        self._write = write
        self._present: dict[int, Appearance] = {}
        # How many appearances of each class are over.
        self.ended: Counter[int] = Counter()
        write(_line(COLUMNS))

    def see(self, number: int, class_id: int, score: float, seconds: float) -> None:
        """Note that the track or stretch of that number is seen; the last class counts."""
        one = self._present.setdefault(number, Appearance(number, class_id, seconds, seconds))
        one.class_id, one.last_s = class_id, seconds
        one.frames += 1
        one.scores += score

    def pass_time(self, seconds: float) -> None:
        """Write what is over at that time."""
        for number in [n for n, one in self._present.items() if seconds - one.last_s > self._over_after_s]:
            self._end(self._present.pop(number))

    def close(self) -> None:
        """Write what is left."""
        for one in self._present.values():
            self._end(one)
        self._present.clear()

    def _end(self, one: Appearance) -> None:
        self.ended[one.class_id] += 1
        self._write(_line(one.row(self._class_names)))


def _line(cells: tuple[object, ...]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()

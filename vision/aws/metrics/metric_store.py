"""The metrics of training jobs over time: one file for each job, a JSON line [seconds, name, value] for each value."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"[a-zA-Z0-9-]{1,63}")


@dataclass(frozen=True)
class MetricValue:
    """One value that a job has written to its log; ``time_s`` is in seconds since 1970."""

    name: str
    time_s: float
    value: float


class MetricStore:
    """The metrics of all training jobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def writer(self, job: str) -> MetricWriter:
        """Return an object that appends values to those of a job."""
        return MetricWriter(self._path(job))

    def jobs(self) -> list[str]:
        """Return the names of the jobs that have metrics."""
        return sorted(path.stem for path in self._folder.iterdir())

    def values(self, job: str) -> list[MetricValue]:
        """Return all values of a job, the oldest first; ``job`` may be what a request holds in a name's place."""
        if _NAME.fullmatch(job) is None or not self._path(job).is_file():
            return []
        return list(_values(self._path(job)))

    def remove(self, job: str) -> None:
        """Forget the values of a job."""
        self._path(job).unlink(missing_ok=True)

    def last(self, job: str) -> list[MetricValue]:
        """Return the last value of each metric of a job."""
        return list({value.name: value for value in self.values(job)}.values())

    def _path(self, job: str) -> Path:
        return self._folder / f"{job}.jsonl"


class MetricWriter:
    """Appends values to those of one job."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, name: str, value: float) -> None:
        """Append a value with the current time."""
        self._file.write(f"{json.dumps([time.time(), name, value])}\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _values(path: Path) -> Iterator[MetricValue]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            # The last line of a killed server may be half.
            if line.endswith("\n"):
                time_s, name, value = json.loads(line)
                yield MetricValue(name, time_s, value)

"""How the benchmarks measure: in alternation, with medians and spread, and a note of the machine."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contestant import Contestant

# A first guess at the batches of a repetition, corrected by how long they take.
_TRIAL_BATCHES = 2


@dataclass(frozen=True)
class Summary:
    """Count, median, quartiles and extremes of some values."""

    n: int
    median: float
    lower_quartile: float
    upper_quartile: float
    least: float
    most: float


def summary(values: Sequence[float]) -> Summary:
    ordered = sorted(values)
    quarter = len(ordered) // 4
    found = (statistics.median(ordered), ordered[quarter], ordered[-1 - quarter], ordered[0], ordered[-1])
    return Summary(len(ordered), *(float(f"{value:.5g}") for value in found))


def in_turn(work: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each call returns, ``rounds`` values of each, after one call each to warm up.

    The order turns round from round to round, so that a machine that slows down harms all alike.
    """
    names = list(work)
    values: dict[str, list[float]] = {name: [] for name in names}
    for round_number in range(rounds + 1):
        for name in names if round_number % 2 else reversed(names):
            value = work[name]()
            if round_number:
                values[name].append(value)
    return values


def images_per_second(
    contestants: Mapping[str, Contestant], batch: int, *, rounds: int, seconds: float, clock: str
) -> dict[str, list[float]]:
    """Images per second of each contestant, round by round; ``clock`` as in the settings."""

    def timed(contestant: Contestant, batches: int) -> float:
        times = contestant.work(batches)
        return batch * batches / (times.cpu_s if clock == "cpu" else times.wall_s)

    def prepared(contestant: Contestant) -> Callable[[], float]:
        batches = _TRIAL_BATCHES
        while (took := contestant.work(batches).wall_s) < seconds / 4:
            batches = min(8 * batches, max(batches + 1, round(batches * seconds / 2 / took)))
        batches = max(1, round(batches * seconds / took))
        return lambda: timed(contestant, batches)

    return in_turn({name: prepared(contestant) for name, contestant in contestants.items()}, rounds)


def machine() -> dict[str, Any]:
    """What the figures are taken on."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    flags: set[str] = set()
    if information.exists():
        lines = [line.partition(":") for line in information.read_text().splitlines()]
        processor = next((value.strip() for name, _, value in lines if name.startswith("model name")), processor)
        flags = {flag for name, _, value in lines if name.startswith("flags") for flag in value.split()}
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "bfloat16": sorted(flags & {"avx512_bf16", "amx_bf16"}),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.platform(),
    }

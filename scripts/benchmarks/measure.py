"""How the benchmarks measure: in alternation, with medians and spread, and a note of the machine."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch


def in_turn(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, dict[str, float]]:
    """Summary of what each contestant's calls return, called in turn after one call each to warm up.

    The order turns round from round to round, so that a machine that slows down harms all alike.
    """
    names = list(contestants)
    values: dict[str, list[float]] = {name: [] for name in names}
    for round_number in range(rounds + 1):
        for name in names if round_number % 2 else reversed(names):
            value = contestants[name]()
            if round_number:
                values[name].append(value)
    return {name: summary(found) for name, found in values.items()}


def alternate(
    ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int, device: torch.device, clock: str
) -> dict[str, Any]:
    """Milliseconds of both, in turn, and how many times as fast ours is. ``clock`` "cpu" counts this process only."""
    now = time.process_time if clock == "cpu" else time.perf_counter
    times_ms: tuple[list[float], list[float]] = ([], [])
    for round_number in range(rounds + 1):
        for side in (0, 1) if round_number % 2 else (1, 0):
            _wait(device)
            start = now()
            (ours, theirs)[side]()
            _wait(device)
            if round_number:
                times_ms[side].append((now() - start) * 1e3)
    fast, slow = (summary(values) for values in times_ms)
    return {
        "ours_ms": fast,
        "torchvision_ms": slow,
        "ratio": round(slow["median"] / fast["median"], 2),
        "ratio_by_round": summary([b / a for a, b in zip(*times_ms, strict=True)]),
    }


def seconds_of(work: Callable[[], Any], device: torch.device | None = None) -> float:
    """Wall time of one call, the device's work included."""
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def summary(values: Sequence[float]) -> dict[str, float]:
    """Count, median, quartiles and least of some values."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return {
        "n": len(ordered),
        "median": round(statistics.median(ordered), 3),
        "lower_quartile": round(ordered[quarter], 3),
        "upper_quartile": round(ordered[-1 - quarter], 3),
        "least": round(ordered[0], 3),
    }


def machine(device: torch.device, packages: Sequence[str] = ("torch", "torchvision")) -> dict[str, Any]:
    """What the figures were taken on."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": round(os.getloadavg()[0], 2),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }

"""Counters of the server in Prometheus' text format, summed over its worker processes.

All workers write into one piece of shared memory, each into its own row, so that any of them can
report all. Within a worker each value has one writing thread, the event loop, or it would lose counts;
the batchers' threads take turns.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

ROUTES = ("invocations", "endpoint", "model", "models", "custom_labels", "indexes")
STATUSES = (200, 400, 404, 405, 406, 408, 409, 413, 415, 424, 500, 503, 507)
STAGES = ("idle", "head", "body", "rest")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Family:
    """A metric with all label combinations it can ever have; histograms have the bounds of their buckets."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ("",)
    bounds: tuple[float, ...] = ()

    def series(self) -> list[str]:
        """Return the names of the single values, as the text format writes them."""
        if self.kind != "histogram":
            return [f"{self.name}{{{label}}}" if label else self.name for label in self.labels]
        buckets = [f'{self.name}_bucket{{le="{bound:g}"}}' for bound in self.bounds]
        return [*buckets, f'{self.name}_bucket{{le="+Inf"}}', f"{self.name}_sum", f"{self.name}_count"]


FAMILIES = (
    Family(
        "vision_requests_total",
        "counter",
        "Answered requests.",
        tuple(f'route="{route}",status="{status}"' for route in ROUTES for status in STATUSES),
    ),
    Family("vision_request_seconds", "histogram", "Time from a request's head to its answer.", bounds=SECONDS),
    Family("vision_images_total", "counter", "Images.", ('outcome="answered"', 'outcome="broken"')),
    Family("vision_batch_images", "histogram", "Images in a batch.", bounds=BATCH_SIZES),
    Family("vision_batch_seconds", "histogram", "Time of the network for a batch.", bounds=SECONDS),
    Family("vision_requests_in_work", "gauge", "Requests being answered."),
    Family("vision_connections", "gauge", "Open connections."),
    Family(
        "vision_shed_connections_total",
        "counter",
        "Connections closed because others needed their place.",
        tuple(f'stage="{stage}"' for stage in STAGES),
    ),
    Family("vision_ready_workers", "gauge", "Worker processes that answer."),
    Family("vision_loaded_models", "gauge", "Models in memory."),
    Family("vision_loaded_models_bytes", "gauge", "Bytes of the weights of the models in memory."),
    Family("vision_resident_memory_bytes", "gauge", "Memory of the worker processes."),
)
_SLOTS = {name: slot for slot, name in enumerate(series for family in FAMILIES for series in family.series())}


def shared_bytes(workers: int) -> int:
    """Return the size in bytes of the memory that the rows of all workers share."""
    return workers * len(_SLOTS) * 8


class Metrics:
    """The row of one worker, and the sum over all. Without ``descriptor`` (of a shared file) it stands alone."""

    def __init__(self, workers: int = 1, worker: int = 0, descriptor: int = -1) -> None:
        memory = mmap.mmap(descriptor, shared_bytes(workers))
        self._rows = np.frombuffer(memory, np.float64).reshape(workers, len(_SLOTS))
        self._row = self._rows[worker]
        self._batches = threading.Lock()

    def count(self, name: str, label: str = "", by: float = 1) -> None:
        """Add to a counter or gauge."""
        self._row[_SLOTS[f"{name}{{{label}}}" if label else name]] += by

    def put(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._row[_SLOTS[name]] = value

    def forget_gauges(self) -> None:
        """Reset the gauges of a worker that has ended; its counters stay."""
        for family in FAMILIES:
            if family.kind == "gauge":
                self.put(family.name, 0)

    def observe(self, name: str, bounds: Sequence[float], value: float) -> None:
        """Add a value to a histogram."""
        for bound in bounds:
            if value <= bound:
                self._row[_SLOTS[f'{name}_bucket{{le="{bound:g}"}}']] += 1
        for suffix, by in (('_bucket{le="+Inf"}', 1), ("_sum", value), ("_count", 1)):
            self._row[_SLOTS[name + suffix]] += by

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        known = status if status in STATUSES else 500
        self.count("vision_requests_total", f'route="{route}",status="{known}"')
        self.observe("vision_request_seconds", SECONDS, seconds)

    def count_batch(self, images: int, seconds: float) -> None:
        """Count a batch, from any thread."""
        with self._batches:
            self.observe("vision_batch_images", BATCH_SIZES, images)
            self.observe("vision_batch_seconds", SECONDS, seconds)

    def text(self) -> str:
        """Return all metrics in Prometheus' text format, without counters that are still zero."""
        self.put("vision_resident_memory_bytes", resident_bytes())
        totals = self._rows.sum(axis=0)
        lines = []
        for family in FAMILIES:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
            for series in family.series():
                value = totals[_SLOTS[series]]
                if value or family.kind != "counter":
                    lines.append(f"{series} {value:.10g}")
        return "\n".join(lines) + "\n"


def resident_bytes() -> int:
    """Return the resident memory of this process, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE

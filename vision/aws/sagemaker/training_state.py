"""The state of a training job in the registry, as DescribeTrainingJob shows it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from vision import algorithms
from vision.aws.registry import Registry

KIND = "training-job"
ENDED = ("Completed", "Failed", "Stopped")
LONGEST_REASON = 1024
_NOTE_EVERY_S = 2.0
_MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds",
}


def first_state(raw: Mapping[str, Any], algorithm: str) -> dict[str, Any]:
    """Return the state of a job that has just been asked for."""
    entry = {"Status": "Starting", "StartTime": time.time(), "StatusMessage": _MESSAGES["Starting"]}
    return {
        "request": dict(raw),
        "algorithm": algorithm,
        "status": "InProgress",
        "secondary": "Starting",
        "transitions": [entry],
        "tags": list(raw.get("Tags") or ()),
    }


def with_metrics(specification: Mapping[str, Any], algorithm: str) -> dict[str, Any]:
    """Return a job's AlgorithmSpecification as Describe calls show it: with the metrics of a built-in algorithm.

    SDK version 2 reads there which metrics a job has.
    """
    defined = {one.name: one.regex for one in algorithms.facts_of(algorithm).metric_definitions}
    defined |= {one["Name"]: one["Regex"] for one in specification.get("MetricDefinitions") or ()}
    definitions = [{"Name": name, "Regex": regex} for name, regex in defined.items()]
    return {**specification, "MetricDefinitions": definitions}


class TrainingState:
    """The state of the job ``name``, which its run changes."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry, self._name = registry, name
        self._metrics: dict[str, dict[str, str | float]] = {}
        self._noted_s = 0.0

    def enter(self, secondary: str, **changes: Any) -> None:
        """Enter the next of the job's secondary states."""
        self._registry.change(KIND, self._name, lambda state: {**_step(state, secondary), **changes})

    def stop(self) -> bool:
        """Enter the state of a job that was asked to stop. Return False if it is not at work any more."""

        def edit(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
            is_at_work = state["status"] == "InProgress"
            return {**_step(state, "Stopping"), "status": "Stopping"} if is_at_work else None

        return self._registry.change(KIND, self._name, edit)

    def note(self, metric: str, value: float) -> None:
        """Keep the last value of a metric. It is not written at once, since a fast job shows many."""
        if math.isfinite(value):
            now = time.time()
            self._metrics[metric] = {"MetricName": metric, "Value": value, "Timestamp": now}
            if now - self._noted_s > _NOTE_EVERY_S:
                self._noted_s = now
                self._registry.update(KIND, self._name, metrics=list(self._metrics.values()))

    def end(self, status: str, secondary: str, reason: str | None = None, **changes: Any) -> None:
        """Enter the last state; ``reason`` is that of a failure."""
        if reason is not None:
            changes["failure"] = reason[:LONGEST_REASON]
        metrics = list(self._metrics.values())
        self.enter(secondary, status=status, ended_s=time.time(), metrics=metrics, **changes)


def _step(state: Mapping[str, Any], secondary: str) -> dict[str, Any]:
    """Return what changes in a state when the job enters another secondary one."""
    now = time.time()
    transitions: list[dict[str, Any]] = list(state["transitions"])
    if transitions:
        transitions[-1] = {"EndTime": now, **transitions[-1]}
    entry = {"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]}
    return {"secondary": secondary, "transitions": [*transitions, entry]}

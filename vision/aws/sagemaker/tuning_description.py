"""A tuning job as Describe and List calls show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vision.aws.described import without_none
from vision.aws.registry import Resource
from vision.aws.sagemaker.images import algorithm_of
from vision.aws.sagemaker.training_state import ENDED, with_metrics
from vision.aws.sagemaker.tuning_run import definition_of, objective_of

# Parts of the request that come back as they were given.
_ECHOED = (
    "HyperParameterTuningJobConfig",
    "TrainingJobDefinition",
    "TrainingJobDefinitions",
    "WarmStartConfig",
)
_RESOURCES = ("InstanceType", "InstanceCount", "VolumeSizeInGB")


def objective(given: Mapping[str, Any]) -> dict[str, str]:
    """Return type and name of the metric that a request optimizes."""
    config = given["HyperParameterTuningJobConfig"]
    found = config.get("HyperParameterTuningJobObjective") or definition_of(given)["TuningObjective"]
    return {name: found[name] for name in ("Type", "MetricName")}


def objective_status(job: Resource) -> str:
    """Return whether a training job's objective was measured."""
    if objective_of(job) is not None:
        return "Succeeded"
    return "Failed" if "objective" in job.state else "Pending"


def objective_counters(jobs: Sequence[Resource]) -> dict[str, int]:
    """Return how many training jobs have each status of their objective."""
    found = [objective_status(job) for job in jobs]
    return {status: found.count(status) for status in ("Succeeded", "Pending", "Failed")}


def echoed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts that come back, with what SDK version 2 looks for in each definition when it attaches to a job.

    That is the resources under their name in training jobs, the metrics, and a hyperparameter that it removes.
    """
    reserved = {"_tuning_objective_metric": objective(given)["MetricName"]}

    def whole(definition: dict[str, Any]) -> dict[str, Any]:
        static = {**definition.get("StaticHyperParameters", {}), **reserved}
        resources = definition.get("ResourceConfig") or definition.get("HyperParameterTuningResourceConfig") or {}
        known = {name: resources[name] for name in _RESOURCES if name in resources}
        specification = definition["AlgorithmSpecification"]
        algorithm = algorithm_of(specification["TrainingImage"], definition.get("Environment") or {})
        changes = {
            "AlgorithmSpecification": with_metrics(specification, algorithm),
            "StaticHyperParameters": static,
            "ResourceConfig": known or None,
        }
        return without_none(**definition | changes)

    parts = {name: given[name] for name in _ECHOED if name in given}
    if "TrainingJobDefinition" in given:
        parts["TrainingJobDefinition"] = whole(given["TrainingJobDefinition"])
    if "TrainingJobDefinitions" in given:
        parts["TrainingJobDefinitions"] = [whole(one) for one in given["TrainingJobDefinitions"]]
    return parts


def status_counters(jobs: Sequence[Resource]) -> dict[str, int]:
    """Return how many training jobs have each status."""
    found = [job.state["status"] for job in jobs]
    return {
        "Completed": found.count("Completed"),
        "InProgress": len([status for status in found if status not in ENDED]),
        "RetryableError": 0,
        "NonRetryableError": found.count("Failed"),
        "Stopped": found.count("Stopped"),
    }

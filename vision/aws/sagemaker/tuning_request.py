"""The request CreateHyperParameterTuningJob: what is varied, how, and the training job that is repeated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from vision.aws.request_shape import RequestShape, TaggedShape
from vision.aws.sagemaker.training_request import (
    AlgorithmSpecification,
    Checkpoints,
    InputChannel,
    OutputData,
    Resources,
    RoleArn,
    Stopping,
)

TuningName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}$", max_length=32)]
Scaling = Literal["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"]


class Objective(RequestShape):
    type: Literal["Maximize", "Minimize"]
    metric_name: Annotated[str, Field(min_length=1, max_length=255)]


class NumericRange(RequestShape):
    """Numbers between two ends, which are texts in requests."""

    name: Annotated[str, Field(max_length=256)]
    min_value: Annotated[str, Field(max_length=256)]
    max_value: Annotated[str, Field(max_length=256)]
    scaling_type: Scaling = "Auto"


class CategoricalRange(RequestShape):
    name: Annotated[str, Field(max_length=256)]
    values: Annotated[list[str], Field(min_length=1, max_length=30)]


class ParameterRanges(RequestShape):
    """The hyperparameters that are varied, by their kind."""

    integer_parameter_ranges: Annotated[list[NumericRange], Field(max_length=30)] = Field(default_factory=list)
    continuous_parameter_ranges: Annotated[list[NumericRange], Field(max_length=30)] = Field(default_factory=list)
    categorical_parameter_ranges: Annotated[list[CategoricalRange], Field(max_length=30)] = Field(default_factory=list)
    auto_parameters: list[object] = Field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Return the names of all that is varied."""
        numeric = (*self.integer_parameter_ranges, *self.continuous_parameter_ranges)
        return [*(one.name for one in numeric), *(one.name for one in self.categorical_parameter_ranges)]

    @property
    def combinations(self) -> int:
        """Return how many combinations the categories have."""
        return math.prod(len(one.values) for one in self.categorical_parameter_ranges)


class Limits(RequestShape):
    max_number_of_training_jobs: Annotated[int, Field(ge=1)] | None = None
    max_parallel_training_jobs: Annotated[int, Field(ge=1)]
    max_runtime_in_seconds: Annotated[int, Field(ge=120, le=15_768_000)] | None = None


class Hyperband(RequestShape):
    """The epochs that every job trains, and the most that one trains."""

    min_resource: Annotated[int, Field(ge=1)] = 1
    max_resource: Annotated[int, Field(ge=1)] | None = None


class StrategyDetails(RequestShape):
    hyperband_strategy_config: Hyperband = Hyperband()


class NotImproving(RequestShape):
    max_number_of_training_jobs_not_improving: Annotated[int, Field(ge=3)]


class Convergence(RequestShape):
    complete_on_convergence: Literal["Disabled", "Enabled"] = "Disabled"


class Completion(RequestShape):
    """When the tuning job has found enough."""

    target_objective_metric_value: float | None = None
    best_objective_not_improving: NotImproving | None = None
    convergence_detected: Convergence = Convergence()


class TuningConfig(RequestShape):
    """How values are drawn, and how many jobs train at most."""

    strategy: Literal["Bayesian", "Random", "Hyperband", "Grid"]
    strategy_config: StrategyDetails = StrategyDetails()
    hyper_parameter_tuning_job_objective: Objective | None = None
    resource_limits: Limits
    parameter_ranges: ParameterRanges | None = None
    training_job_early_stopping_type: Literal["Off", "Auto"] = "Off"
    tuning_job_completion_criteria: Completion = Completion()
    random_seed: Annotated[int, Field(ge=0)] = 0


class TrainingDefinition(RequestShape):
    """The training job that is repeated with other values."""

    static_hyper_parameters: dict[str, str] = Field(default_factory=dict)
    algorithm_specification: AlgorithmSpecification
    role_arn: RoleArn
    input_data_config: list[InputChannel] = Field(default_factory=list)
    output_data_config: OutputData
    resource_config: Resources = Resources()
    hyper_parameter_tuning_resource_config: Resources | None = None
    stopping_condition: Stopping = Stopping()
    checkpoint_config: Checkpoints | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    tuning_objective: Objective | None = None
    hyper_parameter_ranges: ParameterRanges | None = None


class Parent(RequestShape):
    hyper_parameter_tuning_job_name: TuningName


class WarmStart(RequestShape):
    """Earlier tuning jobs whose results count."""

    parent_hyper_parameter_tuning_jobs: Annotated[list[Parent], Field(min_length=1, max_length=5)]
    warm_start_type: Literal["IdenticalDataAndAlgorithm", "TransferLearning"]

    @property
    def parents(self) -> list[str]:
        return [one.hyper_parameter_tuning_job_name for one in self.parent_hyper_parameter_tuning_jobs]


class TuningRequest(TaggedShape):
    """A whole request."""

    hyper_parameter_tuning_job_name: TuningName
    hyper_parameter_tuning_job_config: TuningConfig
    training_job_definition: TrainingDefinition | None = None
    training_job_definitions: Annotated[list[TrainingDefinition], Field(max_length=10)] = Field(default_factory=list)
    warm_start_config: WarmStart | None = None
    autotune: dict[str, str] | None = None

    @property
    def name(self) -> str:
        return self.hyper_parameter_tuning_job_name

    @property
    def config(self) -> TuningConfig:
        return self.hyper_parameter_tuning_job_config

    @property
    def definition(self) -> TrainingDefinition:
        """Return the one definition; ``problems`` says so if there is another number of them."""
        return self.training_job_definition or self.training_job_definitions[0]

    @property
    def definitions_given(self) -> int:
        return len(self.training_job_definitions) + (self.training_job_definition is not None)

    @property
    def stated_objective(self) -> Objective | None:
        return self.config.hyper_parameter_tuning_job_objective or self.definition.tuning_objective

    @property
    def objective(self) -> Objective:
        assert self.stated_objective is not None
        return self.stated_objective

    @property
    def ranges(self) -> ParameterRanges:
        return self.config.parameter_ranges or self.definition.hyper_parameter_ranges or ParameterRanges()

    @property
    def most_jobs(self) -> int:
        """Return how many jobs train at most."""
        given = self.config.resource_limits.max_number_of_training_jobs
        return given or self.ranges.combinations

    def problems(self) -> list[str]:
        """Return what keeps this request from being done here; the other properties hold if it is nothing."""
        if self.definitions_given != 1:
            return [
                f"{self.definitions_given} training job definitions are given, but a tuning job here repeats one: give"
                " TrainingJobDefinition, and start a tuning job for each algorithm"
            ]
        config, ranges, problems = self.config, self.ranges, []
        if self.stated_objective is None:
            problems.append("HyperParameterTuningJobObjective is missing: give the Type and the MetricName")
        if self.autotune or ranges.auto_parameters:
            problems.append("Autotune and AutoParameters choose no ranges here: give ParameterRanges")
        elif not ranges.names:
            problems.append("ParameterRanges are empty: give a range of at least one hyperparameter")
        limit = config.resource_limits.max_number_of_training_jobs
        if config.strategy == "Grid":
            problems += _grid_problems(ranges, limit)
        elif limit is None:
            problems.append("ResourceLimits.MaxNumberOfTrainingJobs is missing: say how many jobs train")
        if config.strategy == "Hyperband" and config.training_job_early_stopping_type == "Auto":
            problems.append(
                "TrainingJobEarlyStoppingType is Auto, but the strategy Hyperband stops jobs by itself: set Off"
            )
        if config.tuning_job_completion_criteria.convergence_detected.complete_on_convergence == "Enabled":
            problems.append(
                "ConvergenceDetected is not judged here: give BestObjectiveNotImproving or TargetObjectiveMetricValue"
            )
        twice = {name for name in ranges.names if ranges.names.count(name) > 1}
        problems += [f"hyperparameter {name} has two ranges" for name in sorted(twice)]
        problems += [
            f"hyperparameter {name} is both varied and given in StaticHyperParameters: leave it out of one of them"
            for name in ranges.names
            if name in self.definition.static_hyper_parameters
        ]
        return problems


def _grid_problems(ranges: ParameterRanges, limit: int | None) -> list[str]:
    if ranges.integer_parameter_ranges or ranges.continuous_parameter_ranges:
        return ["the strategy Grid tries categories only: give CategoricalParameterRanges"]
    if limit is not None and limit != ranges.combinations:
        return [
            f"ResourceLimits.MaxNumberOfTrainingJobs is {limit}, but the strategy Grid tries all"
            f" {ranges.combinations} combinations: leave it out"
        ]
    return []


def training_values(
    request: TuningRequest, raw: Mapping[str, object], name: str, tuned: Mapping[str, str]
) -> dict[str, object]:
    """Return the request CreateTrainingJob of one job; ``raw`` is the definition as it was given."""
    kept = (
        "AlgorithmSpecification",
        "RoleArn",
        "InputDataConfig",
        "OutputDataConfig",
        "StoppingCondition",
        "VpcConfig",
        "Environment",
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
    )
    definition, wanted = request.definition, request.stated_objective
    values = {key: raw[key] for key in kept if key in raw}
    resources = raw.get("ResourceConfig") or raw.get("HyperParameterTuningResourceConfig") or {}
    if definition.checkpoint_config is not None:
        # Jobs with other values must not continue each other's training.
        values["CheckpointConfig"] = {"S3Uri": f"{definition.checkpoint_config.s3_uri.rstrip('/')}/{name}"}
    return {
        **values,
        "TrainingJobName": name,
        "ResourceConfig": resources,
        "HyperParameters": {
            **definition.static_hyper_parameters,
            **tuned,
            **({} if wanted is None else {"_tuning_objective_metric": wanted.metric_name}),
        },
    }

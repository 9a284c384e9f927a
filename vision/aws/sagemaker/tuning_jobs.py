"""SageMaker's operations on hyperparameter tuning jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from starlette.requests import Request

from vision import algorithms
from vision.aws.described import settled, without_none
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.request_shape import validation_failure
from vision.aws.sagemaker.arns import arn
from vision.aws.sagemaker.images import algorithm_of
from vision.aws.sagemaker.listing import TunedTrainingList, TuningList, list_page
from vision.aws.sagemaker.training_request import TrainingRequest
from vision.aws.sagemaker.training_run import TrainingRun
from vision.aws.sagemaker.training_state import ENDED
from vision.aws.sagemaker.training_state import KIND as TRAINING
from vision.aws.sagemaker.tuning_description import (
    echoed,
    objective,
    objective_counters,
    objective_status,
    status_counters,
)
from vision.aws.sagemaker.tuning_request import TuningRequest, training_values
from vision.aws.sagemaker.tuning_run import KIND, TuningRun, definition_of, jobs_of, objective_of, tuned_of
from vision.aws.sagemaker.tuning_space import TuningSpace
from vision.aws.scheduler import Scheduler
from vision.aws.workplace import Workplace
from vision.settings.errors import UserError, problems_of
from vision.settings.nearest import shown


class TuningJobs:
    """Creates, describes, lists and stops tuning jobs."""

    def __init__(self, workplace: Workplace, scheduler: Scheduler) -> None:
        self._workplace = workplace
        self._scheduler = scheduler
        self.operations: dict[str, Operation] = {
            "CreateHyperParameterTuningJob": self.create,
            "DescribeHyperParameterTuningJob": self.describe,
            "ListHyperParameterTuningJobs": self.list,
            "ListTrainingJobsForHyperParameterTuningJob": self.list_training_jobs,
            "StopHyperParameterTuningJob": self.stop,
            "DeleteHyperParameterTuningJob": self.delete,
        }

    def recover(self) -> None:
        """End the tuning jobs that an earlier server left unfinished."""
        registry = self._workplace.registry
        reason = (
            "InternalServerError: the server ended while the tuning job was not finished; start another one with this"
            " one in its WarmStartConfig"
        )
        for job in registry.all(KIND):
            if job.state["status"] not in ENDED:
                registry.update(KIND, job.name, status="Failed", failure=reason, ended_s=time.time())
                for one in jobs_of(self._workplace, [job.name]):
                    if "objective" not in one.state:
                        registry.update(TRAINING, one.name, objective=self._measured(job, one))

    async def create(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = TuningRequest.read(values)
        state = {"request": values, "status": "InProgress", "tags": list(values.get("Tags") or ())}
        self._workplace.registry.add(KIND, asked.name, state)
        try:
            run = await asyncio.to_thread(self._checked, asked, values)
        except BaseException as error:
            self._workplace.registry.remove(KIND, asked.name)
            if isinstance(error, UserError):
                raise validation_failure(list(problems_of(error))) from error
            raise
        self._scheduler.add(run, needs_place=False)
        return {"HyperParameterTuningJobArn": self._arn(asked.name)}

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Describe a tuning job, if need be a little later, when it has ended."""
        job = await settled(
            lambda: self._get(values),
            lambda job: job.state["status"] in ENDED,
            self._workplace.settings.hold_s,
            request,
        )
        given, jobs = job.state["request"], list(jobs_of(self._workplace, [job.name]))
        warm = given.get("WarmStartConfig")
        overall = None
        if warm is not None and warm["WarmStartType"] == "IdenticalDataAndAlgorithm":
            overall = self._best(given, [*jobs, *jobs_of(self._workplace, self._ancestors(given))])
        ended = job.state.get("ended_s")
        return without_none(
            HyperParameterTuningJobName=job.name,
            HyperParameterTuningJobArn=self._arn(job.name),
            HyperParameterTuningJobStatus=job.state["status"],
            **echoed(given),
            CreationTime=job.created_s,
            LastModifiedTime=job.modified_s,
            HyperParameterTuningEndTime=ended,
            TrainingJobStatusCounters=status_counters(jobs),
            ObjectiveStatusCounters=objective_counters(jobs),
            BestTrainingJob=self._best(given, jobs),
            OverallBestTrainingJob=overall,
            FailureReason=job.state.get("failure"),
            ConsumedResources={"RuntimeInSeconds": max(0, round((ended or time.time()) - job.created_s))},
        )

    async def list(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = TuningList.read(values)
        found, token = list_page(self._workplace.registry.all(KIND), asked, lambda job: job.state["status"])
        summaries = []
        trained = list(jobs_of(self._workplace, [job.name for job in found]))
        for job in found:
            config = job.state["request"]["HyperParameterTuningJobConfig"]
            jobs = [one for one in trained if one.state["tuning"]["job"] == job.name]
            summaries.append(
                without_none(
                    HyperParameterTuningJobName=job.name,
                    HyperParameterTuningJobArn=self._arn(job.name),
                    HyperParameterTuningJobStatus=job.state["status"],
                    Strategy=config["Strategy"],
                    CreationTime=job.created_s,
                    HyperParameterTuningEndTime=job.state.get("ended_s"),
                    LastModifiedTime=job.modified_s,
                    TrainingJobStatusCounters=status_counters(jobs),
                    ObjectiveStatusCounters=objective_counters(jobs),
                    ResourceLimits=config["ResourceLimits"],
                )
            )
        return without_none(HyperParameterTuningJobSummaries=summaries, NextToken=token)

    async def list_training_jobs(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        tuning = self._get(values)
        asked = TunedTrainingList.read(values)
        jobs = list(jobs_of(self._workplace, [tuning.name]))
        if asked.sort_by == "FinalObjectiveMetricValue":
            # Only jobs that have a value are listed by it.
            jobs = [job for job in jobs if objective_of(job) is not None]
        found, token = list_page(jobs, asked, lambda job: job.state["status"], objective_of)
        summaries = [self._summary(tuning.state["request"], job) for job in found]
        return without_none(TrainingJobSummaries=summaries, NextToken=token)

    async def stop(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        job = self._get(values)
        if not self._workplace.registry.leave("InProgress", KIND, job.name, status="Stopping"):
            status = self._get(values).state["status"]
            raise ServiceFailure(400, "ValidationException", f"tuning job {job.name} is {status}, not InProgress")
        self._scheduler.stop(KIND, job.name)
        return {}

    def _measured(self, tuning: Resource, job: Resource) -> dict[str, float]:
        """Return the objective of a job that ended just before its server, if it is known."""
        wanted = objective(tuning.state["request"])
        found = [one.value for one in self._workplace.metrics.values(job.name) if one.name == wanted["MetricName"]]
        if job.state["status"] == "Failed" or not found:
            return {}
        return {"value": max(found) if wanted["Type"] == "Maximize" else min(found)}

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Forget a tuning job that has ended; its training jobs stay."""
        job = self._get(values)
        if job.state["status"] not in ENDED:
            raise ServiceFailure(400, "ValidationException", f"tuning job {job.name} has not ended: stop it first")
        self._workplace.registry.remove(KIND, job.name)
        return {}

    def _checked(self, asked: TuningRequest, raw: Mapping[str, Any]) -> TuningRun:
        """Return the run of a request. Raises SettingsError and ServiceFailure with all problems."""
        problems = asked.problems()
        if find_spec("optuna") is None:
            problems.append("tuning needs optuna, which is not installed: pip install 'vision[sweep]'")
        if asked.definitions_given != 1:
            raise validation_failure(problems)
        problems += self._parent_problems(asked, raw)
        specification = asked.definition.algorithm_specification
        try:
            algorithm = algorithm_of(specification.training_image, asked.definition.environment)
            space = TuningSpace.of(asked.ranges, algorithm)
        except UserError as error:
            raise validation_failure([*problems, *problems_of(error)]) from error
        metrics = [one.name for one in algorithms.facts_of(algorithm).metric_definitions]
        metrics += [one.name for one in specification.metric_definitions]
        wanted = asked.stated_objective
        if wanted is not None and wanted.metric_name not in metrics:
            problems.append(f"objective metric {shown(wanted.metric_name)} is none of this job's: {', '.join(metrics)}")
        for tuned in space.probes():
            values = training_values(asked, definition_of(raw), f"{asked.name}-000-check", tuned)
            run = TrainingRun(self._workplace, TrainingRequest.read(values), algorithm)
            try:
                run.prepare()
            except UserError as error:
                problems += problems_of(error)
            finally:
                run.discard()
        if problems:
            raise validation_failure(list(dict.fromkeys(problems)))
        return TuningRun(self._workplace, self._scheduler, asked, algorithm, space)

    def _parent_problems(self, asked: TuningRequest, raw: Mapping[str, Any]) -> Sequence[str]:
        warm, problems = asked.warm_start_config, []
        for name in () if warm is None else warm.parents:
            parent = self._workplace.registry.find(KIND, name)
            if parent is None or name == asked.name:
                problems.append(f"parent tuning job {name} does not exist")
            elif parent.state["status"] not in ENDED:
                problems.append(f"parent tuning job {name} is {parent.state['status']}: wait for its end")
            elif warm is not None and warm.warm_start_type == "IdenticalDataAndAlgorithm":
                theirs, ours = definition_of(parent.state["request"]), definition_of(raw)
                problems += [
                    f"{part} is not that of parent tuning job {name}: set WarmStartType TransferLearning"
                    for part in ("AlgorithmSpecification", "InputDataConfig")
                    if theirs.get(part) != ours.get(part)
                ]
        return problems

    def _ancestors(self, given: Mapping[str, Any]) -> Sequence[str]:
        """Return the parents of a request, theirs and so on."""
        names: dict[str, None] = {}
        waiting = [given]
        while waiting:
            warm = waiting.pop().get("WarmStartConfig") or {"ParentHyperParameterTuningJobs": ()}
            for parent in warm["ParentHyperParameterTuningJobs"]:
                name = parent["HyperParameterTuningJobName"]
                found = self._workplace.registry.find(KIND, name)
                if found is not None and name not in names:
                    names[name] = None
                    waiting.append(found.state["request"])
        return tuple(names)

    def _best(self, given: Mapping[str, Any], jobs: Sequence[Resource]) -> dict[str, Any] | None:
        """Return the summary of the completed job with the best objective, the earliest of equals."""
        measured = [
            (value, job)
            for job in jobs
            if job.state["status"] == "Completed" and (value := objective_of(job)) is not None
        ]
        if not measured:
            return None
        sign = 1 if objective(given)["Type"] == "Maximize" else -1
        return self._summary(given, max(measured, key=lambda pair: sign * pair[0])[1])

    def _summary(self, given: Mapping[str, Any], job: Resource) -> dict[str, Any]:
        value = objective_of(job)
        metric = None if value is None else {**objective(given), "Value": value}
        return without_none(
            TrainingJobDefinitionName=definition_of(given).get("DefinitionName"),
            TrainingJobName=job.name,
            TrainingJobArn=arn(self._workplace.settings.region, TRAINING, job.name),
            TuningJobName=job.state["tuning"]["job"],
            CreationTime=job.created_s,
            TrainingStartTime=job.state.get("started_s"),
            TrainingEndTime=job.state.get("ended_s"),
            TrainingJobStatus=job.state["status"],
            TunedHyperParameters=tuned_of(job),
            FailureReason=job.state.get("failure"),
            FinalHyperParameterTuningJobObjectiveMetric=metric,
            ObjectiveStatus=objective_status(job),
        )

    def _get(self, values: Mapping[str, Any]) -> Resource:
        name = str(values.get("HyperParameterTuningJobName", ""))
        found = self._workplace.registry.find(KIND, name)
        if found is None:
            raise ServiceFailure(400, "ResourceNotFound", f"Requested resource not found: tuning job {shown(name)}")
        return found

    def _arn(self, name: str) -> str:
        return arn(self._workplace.settings.region, KIND, name)

"""SageMaker's operations on training jobs."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import Any

from starlette.requests import Request

from vision.aws.described import settled, without_none
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.request_shape import validation_failure
from vision.aws.sagemaker.arns import arn
from vision.aws.sagemaker.images import algorithm_of
from vision.aws.sagemaker.listing import TrainingList, list_page
from vision.aws.sagemaker.training_request import TrainingRequest
from vision.aws.sagemaker.training_run import TrainingRun, jobs_folder
from vision.aws.sagemaker.training_state import ENDED, KIND, TrainingState, first_state, with_metrics
from vision.aws.scheduler import Scheduler
from vision.aws.workplace import Workplace
from vision.settings.errors import UserError, problems_of
from vision.settings.nearest import shown

TUNING = "hyper-parameter-tuning-job"
# Parts of the request that come back as they were given.
_ECHOED = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "CheckpointConfig",
    "Environment",
    "VpcConfig",
)


class TrainingJobs:
    """Creates, describes, lists and stops training jobs."""

    def __init__(self, workplace: Workplace, scheduler: Scheduler) -> None:
        self._workplace = workplace
        self._scheduler = scheduler
        self.operations: dict[str, Operation] = {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list,
            "StopTrainingJob": self.stop,
            "DeleteTrainingJob": self.delete,
        }

    def recover(self) -> None:
        """End the jobs that an earlier server left unfinished: their processes ended with it."""
        shutil.rmtree(jobs_folder(self._workplace), ignore_errors=True)
        for job in self._workplace.registry.all(KIND):
            if job.state["status"] not in ENDED:
                reason = "InternalServerError: the server ended while the job was not finished; start the job again"
                now = time.time()
                self._workplace.registry.update(
                    KIND, job.name, status="Failed", secondary="Failed", failure=reason, ended_s=now
                )

    async def create(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = TrainingRequest.read(values)
        try:
            algorithm = algorithm_of(asked.algorithm_specification.training_image, asked.environment)
        except UserError as error:
            raise validation_failure(list(problems_of(error))) from error
        self._workplace.registry.add(KIND, asked.training_job_name, first_state(values, algorithm))
        run = TrainingRun(self._workplace, asked, algorithm)
        try:
            await asyncio.to_thread(run.prepare)
        except BaseException as error:
            self._workplace.registry.remove(KIND, asked.training_job_name)
            if isinstance(error, UserError):
                raise validation_failure(list(problems_of(error))) from error
            raise
        self._scheduler.add(run)
        return {"TrainingJobArn": self._arn(asked.training_job_name)}

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Describe a job, if need be a little later, when it has ended."""
        job = await settled(
            lambda: self._get(values),
            lambda job: job.state["status"] in ENDED,
            self._workplace.settings.hold_s,
            request,
        )
        return self._described(job)

    async def list(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = TrainingList.read(values)
        jobs, token = list_page(self._workplace.registry.all(KIND), asked, lambda job: job.state["status"])
        summaries = [
            without_none(
                TrainingJobName=job.name,
                TrainingJobArn=self._arn(job.name),
                CreationTime=job.created_s,
                LastModifiedTime=job.modified_s,
                TrainingEndTime=job.state.get("ended_s"),
                TrainingJobStatus=job.state["status"],
            )
            for job in jobs
        ]
        return without_none(TrainingJobSummaries=summaries, NextToken=token)

    async def stop(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        job = self._get(values)
        if not TrainingState(self._workplace.registry, job.name).stop():
            status = self._get(values).state["status"]
            raise ServiceFailure(400, "ValidationException", f"training job {job.name} is {status}, not InProgress")
        self._scheduler.stop(KIND, job.name)
        return {}

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Forget a job that has ended, so that its name is free again. Its files and its log stay."""
        job = self._get(values)
        if job.state["status"] not in ENDED:
            raise ServiceFailure(400, "ValidationException", f"training job {job.name} has not ended: stop it first")
        self._workplace.registry.remove(KIND, job.name)
        self._workplace.metrics.remove(job.name)
        return {}

    def _get(self, values: dict[str, Any]) -> Resource:
        name = str(values.get("TrainingJobName", ""))
        found = self._workplace.registry.find(KIND, name)
        if found is None:
            raise ServiceFailure(
                400, "ValidationException", f"Requested resource not found: training job {shown(name)}"
            )
        return found

    def _arn(self, name: str) -> str:
        return arn(self._workplace.settings.region, KIND, name)

    def _described(self, job: Resource) -> dict[str, Any]:
        state, given = job.state, job.state["request"]
        echoed = {name: given[name] for name in _ECHOED if name in given}
        # SDK version 2 reads it when it attaches to a job.
        echoed["OutputDataConfig"] = {"KmsKeyId": "", **given["OutputDataConfig"]}
        echoed["AlgorithmSpecification"] = with_metrics(given["AlgorithmSpecification"], state["algorithm"])
        echoed.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": 86400})
        started, ended = state.get("started_s"), state.get("ended_s")
        seconds = None if started is None or ended is None else max(1, round(ended - started))
        artifact, tuning = state.get("artifact"), state.get("tuning")
        return without_none(
            TrainingJobName=job.name,
            TrainingJobArn=self._arn(job.name),
            TuningJobArn=None if tuning is None else arn(self._workplace.settings.region, TUNING, tuning["job"]),
            TrainingJobStatus=state["status"],
            SecondaryStatus=state["secondary"],
            SecondaryStatusTransitions=state["transitions"],
            FailureReason=state.get("failure"),
            ModelArtifacts=None if artifact is None else {"S3ModelArtifacts": artifact},
            **echoed,
            CreationTime=job.created_s,
            LastModifiedTime=job.modified_s,
            TrainingStartTime=started,
            TrainingEndTime=ended,
            TrainingTimeInSeconds=seconds,
            BillableTimeInSeconds=seconds,
            FinalMetricDataList=state.get("metrics") or None,
            EnableNetworkIsolation=bool(given.get("EnableNetworkIsolation")),
            EnableInterContainerTrafficEncryption=bool(given.get("EnableInterContainerTrafficEncryption")),
            EnableManagedSpotTraining=bool(given.get("EnableManagedSpotTraining")),
        )

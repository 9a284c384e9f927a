"""SageMaker's operations on batch transform jobs."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from vision import algorithms
from vision.aws.described import settled, without_none
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.request_shape import validation_failure
from vision.aws.sagemaker.arns import arn
from vision.aws.sagemaker.channel_data import find_objects
from vision.aws.sagemaker.images import algorithm_of
from vision.aws.sagemaker.listing import TransformList, list_page
from vision.aws.sagemaker.models import MODEL, ModelRequest, Models, model_place
from vision.aws.sagemaker.training_machine import place_problems
from vision.aws.sagemaker.training_state import ENDED
from vision.aws.sagemaker.transform_request import TransformRequest
from vision.aws.sagemaker.transform_run import KIND, TransformRun, transforms_folder
from vision.aws.scheduler import Scheduler
from vision.aws.workplace import Workplace
from vision.settings.errors import UserError, problems_of
from vision.settings.nearest import shown

# Parts of the request that come back as they were given.
_ECHOED = (
    "ModelName",
    "MaxConcurrentTransforms",
    "ModelClientConfig",
    "MaxPayloadInMB",
    "BatchStrategy",
    "Environment",
    "TransformInput",
    "TransformOutput",
    "TransformResources",
    "DataProcessing",
)


class TransformJobs:
    """Creates, describes, lists and stops transform jobs."""

    def __init__(self, workplace: Workplace, models: Models, scheduler: Scheduler) -> None:
        self._workplace = workplace
        self._models = models
        self._scheduler = scheduler
        self.operations: dict[str, Operation] = {
            "CreateTransformJob": self.create,
            "DescribeTransformJob": self.describe,
            "ListTransformJobs": self.list,
            "StopTransformJob": self.stop,
        }

    def recover(self) -> None:
        """End the jobs that an earlier server left unfinished: their processes ended with it."""
        shutil.rmtree(transforms_folder(self._workplace), ignore_errors=True)
        for job in self._workplace.registry.all(KIND):
            if job.state["status"] not in ENDED:
                reason = "InternalServerError: the server ended while the job was not finished; start the job again"
                now = time.time()
                self._workplace.registry.update(KIND, job.name, status="Failed", failure=reason, ended_s=now)

    async def create(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = TransformRequest.read(values)
        run = await asyncio.to_thread(self._checked, asked)
        state = {"request": values, "status": "InProgress", "tags": list(values.get("Tags") or ())}
        self._workplace.registry.add(KIND, asked.transform_job_name, state)
        self._scheduler.add(run)
        return {"TransformJobArn": self._arn(asked.transform_job_name)}

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Describe a job, if need be a little later, when it has ended."""
        job = await settled(
            lambda: self._get(values),
            lambda job: job.state["status"] in ENDED,
            self._workplace.settings.hold_s,
            request,
        )
        given = job.state["request"]
        return without_none(
            TransformJobName=job.name,
            TransformJobArn=self._arn(job.name),
            TransformJobStatus=job.state["status"],
            FailureReason=job.state.get("failure"),
            **{name: given[name] for name in _ECHOED if name in given},
            CreationTime=job.created_s,
            TransformStartTime=job.state.get("started_s"),
            TransformEndTime=job.state.get("ended_s"),
        )

    async def list(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = TransformList.read(values)
        jobs, token = list_page(self._workplace.registry.all(KIND), asked, lambda job: job.state["status"])
        summaries = [
            without_none(
                TransformJobName=job.name,
                TransformJobArn=self._arn(job.name),
                CreationTime=job.created_s,
                TransformEndTime=job.state.get("ended_s"),
                LastModifiedTime=job.modified_s,
                TransformJobStatus=job.state["status"],
                FailureReason=job.state.get("failure"),
            )
            for job in jobs
        ]
        return without_none(TransformJobSummaries=summaries, NextToken=token)

    async def stop(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        job = self._get(values)
        if not self._workplace.registry.leave("InProgress", KIND, job.name, status="Stopping"):
            status = self._get(values).state["status"]
            raise ServiceFailure(400, "ValidationException", f"transform job {job.name} is {status}, not InProgress")
        self._scheduler.stop(KIND, job.name)
        return {}

    def _checked(self, asked: TransformRequest) -> TransformRun:
        """Return the run of a request. Raises ServiceFailure with all problems."""
        model = self._models.get(MODEL, asked.model_name)
        container = ModelRequest.read(model.state["request"]).container
        assert container is not None
        facts = algorithms.facts_of(algorithm_of(container.image, container.environment))
        problems = asked.problems(facts)
        if container.mode == "MultiModel":
            problems.append(f"model {asked.model_name} is several models: create one with Mode SingleModel")
        buckets = self._workplace.storage.buckets
        files = None
        try:
            files = find_objects(buckets, asked.transform_input.data_source.s3_data_source).named_files
        except UserError as error:
            problems += [f"TransformInput: {problem}" for problem in problems_of(error)]
        problems += place_problems(buckets, {"TransformOutput.S3OutputPath": asked.transform_output.s3_output_path})
        if problems or files is None:
            raise validation_failure(problems)
        environment = {**container.environment, **asked.environment}
        place = model_place(self._workplace, container)
        return TransformRun(self._workplace, asked, place, environment, files, asked.form(facts))

    def _get(self, values: Mapping[str, Any]) -> Resource:
        name = str(values.get("TransformJobName", ""))
        found = self._workplace.registry.find(KIND, name)
        if found is None:
            raise ServiceFailure(
                400, "ValidationException", f"Requested resource not found: transform job {shown(name)}"
            )
        return found

    def _arn(self, name: str) -> str:
        return arn(self._workplace.settings.region, KIND, name)

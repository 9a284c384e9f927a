"""All services of the endpoint, put together, and their beginning and end."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from vision.aws.app import build_app
from vision.aws.identity import iam, sts
from vision.aws.json_protocol import JsonService
from vision.aws.logs.cloud_watch_logs import CloudWatchLogs
from vision.aws.metrics.cloud_watch import CloudWatch
from vision.aws.page.pages import Pages
from vision.aws.rekognition.service import Rekognition
from vision.aws.s3.routes import S3Routes
from vision.aws.sagemaker.endpoints import Endpoints
from vision.aws.sagemaker.models import Models
from vision.aws.sagemaker.tags import Tags
from vision.aws.sagemaker.training_jobs import TrainingJobs
from vision.aws.sagemaker.transform_jobs import TransformJobs
from vision.aws.sagemaker.tuning_jobs import TuningJobs
from vision.aws.scheduler import Scheduler
from vision.aws.workplace import Workplace

_INVOCATION = re.compile(r"/endpoints/[^/]+/invocations")
_END_S = 10.0


class Services:
    """The services of one workplace. ``app`` answers clients as soon as it exists; ``end`` ends jobs and endpoints."""

    def __init__(self, workplace: Workplace) -> None:
        self._scheduler = Scheduler(workplace.settings.places)
        self._jobs = TrainingJobs(workplace, self._scheduler)
        tuning = TuningJobs(workplace, self._scheduler)
        models = Models(workplace)
        transforms = TransformJobs(workplace, models, self._scheduler)
        self._endpoints = Endpoints(workplace, models)
        self._jobs.recover()
        tuning.recover()
        transforms.recover()
        self._endpoints.recover()
        self._rekognition = Rekognition(workplace, self._scheduler)
        control = JsonService(
            "SageMaker",
            {
                **self._jobs.operations,
                **tuning.operations,
                **transforms.operations,
                **models.operations,
                **self._endpoints.operations,
                **Tags(workplace).operations,
            },
        )

        async def sagemaker(request: Request) -> Response:
            # The runtime's calls are signed for the same service.
            is_call = request.method == "POST" and _INVOCATION.fullmatch(request.url.path) is not None
            return await (self._endpoints.invoke(request) if is_call else control.answer(request))

        services = {
            "s3": S3Routes(workplace.storage, workplace.settings.region).answer,
            "sts": sts,
            "iam": iam,
            "logs": CloudWatchLogs(workplace.logs).answer,
            "monitoring": CloudWatch(workplace.metrics).answer,
            "sagemaker": sagemaker,
            "rekognition": self._rekognition.answer,
        }
        self.app: ASGIApp = build_app(services, Pages(workplace).answer, workplace.settings.region)

    def end(self) -> None:
        """Stop the jobs, whose models so far are kept, and end the endpoints, which come back with the next server."""
        self._endpoints.end_all()
        self._rekognition.end()
        self._scheduler.stop_all()
        self._scheduler.wait(_END_S)

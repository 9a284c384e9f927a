"""Rekognition as one service: Custom Labels, collections of faces or images, and labels of stored videos."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from vision.aws.json_protocol import JsonService
from vision.aws.rekognition.collections import Collections
from vision.aws.rekognition.datasets import Datasets
from vision.aws.rekognition.faces import Faces
from vision.aws.rekognition.hosting import Hosting
from vision.aws.rekognition.label_detection import LabelDetection
from vision.aws.rekognition.projects import Projects
from vision.aws.rekognition.resources import Resources
from vision.aws.rekognition.versions import Versions
from vision.aws.scheduler import Scheduler
from vision.aws.workplace import Workplace


class Rekognition:
    """Answers all operations; models train when the scheduler has a place."""

    def __init__(self, workplace: Workplace, scheduler: Scheduler) -> None:
        resources = Resources(workplace)
        datasets = Datasets(workplace, resources)
        versions = Versions(workplace, resources, datasets, scheduler)
        self._hosting = Hosting(workplace, resources)
        collections = Collections(workplace, resources)
        self._faces = Faces(workplace, collections)
        label_detection = LabelDetection(workplace, scheduler)
        self._service = JsonService(
            "RekognitionService",
            {
                **Projects(resources).operations,
                **datasets.operations,
                **versions.operations,
                **self._hosting.operations,
                **collections.operations,
                **self._faces.operations,
                **label_detection.operations,
            },
            internal_error="InternalServerError",
        )
        datasets.recover()
        versions.recover()
        self._hosting.recover()
        collections.recover()
        label_detection.recover()

    async def answer(self, request: Request) -> Response:
        """Answer one call."""
        return await self._service.answer(request)

    def end(self) -> None:
        """End the processes of models, which come back with the next server."""
        self._hosting.end_all()
        self._faces.end()

"""Operations of Custom Labels on models at work: each is a process of its own, which finds labels in images."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request

from vision.algorithms.json_answer import json_percent
from vision.aws.endpoint_worker import EndpointWorker
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.local_connection import LocalConnections
from vision.aws.registry import Resource
from vision.aws.rekognition.request_image import RequestImage
from vision.aws.rekognition.resources import VERSION, Resources, failure
from vision.aws.rekognition.version_training import LOG_GROUP, version_folder
from vision.aws.request_shape import RequestShape
from vision.aws.workplace import Workplace
from vision.settings.nearest import shown

TARGET = "RekognitionService.DetectCustomLabels"
# Two thirds of a body may be an image, whose base64 is a third longer.
SERVED = ("max_payload_mb=22.5", "multi_model=false")
_STARTABLE = ("TRAINING_COMPLETED", "STOPPED", "COPYING_COMPLETED", "FAILED")
# Percent: of labels that no test image showed, as of a model without thresholds.
_DEFAULT_THRESHOLD = 50.0


class _Start(RequestShape):
    project_version_arn: str
    min_inference_units: Annotated[int, Field(ge=1)]
    max_inference_units: Annotated[int, Field(ge=1)] | None = None


class _Stop(RequestShape):
    project_version_arn: str


class _Detect(RequestShape):
    project_version_arn: str
    image: RequestImage
    max_results: Annotated[int, Field(ge=0)] | None = None
    min_confidence: Annotated[float, Field(ge=0, le=100)] | None = None


@dataclass
class _Live:
    """The process of a model; ``connections`` lead to it once it answers."""

    worker: EndpointWorker
    connections: LocalConnections | None = None


class Hosting:
    """Starts, stops and asks models."""

    def __init__(self, workplace: Workplace, resources: Resources) -> None:
        self._workplace = workplace
        self._resources = resources
        self._live: dict[str, _Live] = {}
        self._lock = threading.RLock()
        self.operations: dict[str, Operation] = {
            "StartProjectVersion": self.start,
            "StopProjectVersion": self.stop,
            "DetectCustomLabels": self.detect,
        }

    def recover(self) -> None:
        """Start the models that an earlier server had running."""
        for version in self._resources.all(VERSION):
            if version.state["status"] in ("STARTING", "RUNNING"):
                self._resources.update(version, status="STARTING", message="The model is being hosted.")
                self._host(version)
            elif version.state["status"] == "STOPPING":
                self._resources.update(version, status="STOPPED", message="The model is stopped.")

    def end_all(self) -> None:
        """End all processes; the models come back with the next server."""
        with self._lock:
            lives, self._live = list(self._live.values()), {}
        for live in lives:
            live.worker.end()

    async def start(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Start.read(values)
        version = self._resources.get(VERSION, asked.project_version_arn)
        if version.state["status"] not in _STARTABLE:
            raise _wrong_state(version, "trained or stopped")
        if asked.max_inference_units is not None and asked.max_inference_units < asked.min_inference_units:
            raise failure("InvalidParameterException", "MaxInferenceUnits is less than MinInferenceUnits")
        units = {"min_units": asked.min_inference_units, "max_units": asked.max_inference_units}
        self._resources.update(version, status="STARTING", message="The model is being hosted.", **units)
        self._host(version)
        return {"Status": "STARTING"}

    async def stop(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        version = self._resources.get(VERSION, _Stop.read(values).project_version_arn)
        if version.state["status"] not in ("RUNNING", "STARTING"):
            raise _wrong_state(version, "RUNNING")
        with self._lock:
            live = self._live.pop(version.name, None)
            self._resources.update(version, status="STOPPED", message="The model is stopped.")
        if live is not None:
            live.worker.end()
            if live.connections is not None:
                live.connections.close()
        return {"Status": "STOPPING"}

    async def detect(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Detect.read(values)
        version = self._resources.get(VERSION, asked.project_version_arn)
        live = self._live.get(version.name)
        if live is None or live.connections is None:
            raise failure(
                "ResourceNotReadyException", f"the model is {version.state['status']}, not RUNNING: start it, and wait"
            )
        image = await asyncio.to_thread(asked.image.base64_bytes, self._workplace.storage.buckets)
        least = asked.min_confidence
        body = {
            "ProjectVersionArn": asked.project_version_arn,
            "Image": {"Bytes": image},
            "MinConfidence": 0 if least is None else least,
        }
        found = await self._ask(live.connections, body)
        if least is None:
            thresholds = {name: json_percent(share) for name, share in version.state["thresholds"].items()}
            found = [one for one in found if one["Confidence"] >= thresholds.get(one["Name"], _DEFAULT_THRESHOLD)]
        return {"CustomLabels": found[: asked.max_results]}

    async def _ask(self, connections: LocalConnections, body: dict[str, Any]) -> list[dict[str, Any]]:
        headers = {"x-amz-target": TARGET, "content-type": "application/x-amz-json-1.1"}
        try:
            answer = await connections.ask("POST", "/", headers, json.dumps(body).encode())
            values = json.loads(bytes(answer.body))
        except (OSError, ValueError) as error:
            raise ServiceFailure(500, "InternalServerError", f"the model's process did not answer: {error}") from error
        if answer.status != 200:
            raise ServiceFailure(answer.status, values["__type"], values["message"])
        labels: list[dict[str, Any]] = values["CustomLabels"]
        return labels

    def _host(self, version: Resource) -> None:
        name = version.name
        with self._lock:
            self._live[name] = _Live(
                EndpointWorker(
                    name,
                    [f"model={version_folder(self._workplace, version) / 'run'}", *SERVED],
                    {},
                    log=self._workplace.logs.writer(LOG_GROUP, f"{name}/hosting"),
                    ready=lambda worker: self._ready(version, worker),
                    ended=lambda worker, words: self._ended(version, worker, words),
                )
            )

    def _ready(self, version: Resource, worker: EndpointWorker) -> None:
        with self._lock:
            live = self._live.get(version.name)
            if live is None or live.worker is not worker:
                worker.end()
                return
            live.connections = LocalConnections(worker.port)
            self._resources.update(version, status="RUNNING", message="The model is running.")

    def _ended(self, version: Resource, worker: EndpointWorker, words: str) -> None:
        """Note that a process has ended by itself."""
        with self._lock:
            live = self._live.get(version.name)
            if live is not None and live.worker is worker:
                del self._live[version.name]
                self._resources.update(version, status="FAILED", message=f"The model has ended: {words}"[:1024])


def _wrong_state(version: Resource, needed: str) -> ServiceFailure:
    name, status = version.state["version_name"], version.state["status"]
    return failure("ResourceInUseException", f"model {shown(name)} is {status}, not {needed}")

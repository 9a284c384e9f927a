"""SageMaker's operations on endpoints, and the calls to them: one address for all, a process for each."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.request_shape import RequestShape
from vision.aws.sagemaker.arns import arn
from vision.aws.sagemaker.described import settled, without_none
from vision.aws.sagemaker.endpoint_worker import EndpointWorker
from vision.aws.sagemaker.listing import ListRequest, list_page
from vision.aws.sagemaker.local_connection import LocalConnections
from vision.aws.sagemaker.models import CONFIG, MODEL, ModelRequest, Models, model_place
from vision.aws.sagemaker.training_request import Name
from vision.aws.workplace import Workplace
from vision.serving.request_failure import PlatformFailure, failure_response
from vision.settings.nearest import shown

KIND = "endpoint"
LOG_GROUP = "/aws/sagemaker/Endpoints/"
_WORKING = ("Creating", "Updating")
_MOST_BODY = 25 << 20
# Between this server and the client, or this server and the process: not the other one's business.
_NOT_FORWARDED = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "expect", "authorization", "date", "server", "te"}
)


class EndpointRequest(RequestShape):
    endpoint_name: Name
    endpoint_config_name: Name


@dataclass
class _Live:
    """What answers for an endpoint: the worker in service, and one that is to replace it."""

    worker: EndpointWorker | None = None
    connections: LocalConnections | None = None
    coming: EndpointWorker | None = None


class Endpoints:
    """Creates, updates, describes, lists, deletes and calls endpoints."""

    def __init__(self, workplace: Workplace, models: Models) -> None:
        self._workplace = workplace
        self._models = models
        self._live: dict[str, _Live] = {}
        self._lock = threading.RLock()
        self.operations: dict[str, Operation] = {
            "CreateEndpoint": self.create,
            "UpdateEndpoint": self.update,
            "DescribeEndpoint": self.describe,
            "ListEndpoints": self.list,
            "DeleteEndpoint": self.delete,
        }

    def recover(self) -> None:
        """Start the endpoints that an earlier server had."""
        for endpoint in self._workplace.registry.all(KIND):
            if endpoint.state["status"] != "Failed":
                self._workplace.registry.update(KIND, endpoint.name, status="Creating")
                try:
                    self._start(endpoint.name, endpoint.state["config"])
                except ServiceFailure as error:
                    self._workplace.registry.update(KIND, endpoint.name, status="Failed", failure=error.sentence)

    def end_all(self) -> None:
        """End all processes; the endpoints come back with the next server."""
        with self._lock:
            for live in self._live.values():
                for worker in (live.worker, live.coming):
                    if worker is not None:
                        worker.end()

    async def create(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = EndpointRequest.read(values)
        self._models.get(CONFIG, asked.endpoint_config_name)
        state = {"config": asked.endpoint_config_name, "status": "Creating", "tags": list(values.get("Tags") or ())}
        try:
            self._workplace.registry.add(KIND, asked.endpoint_name, state)
        except ServiceFailure:
            raise ServiceFailure(
                400,
                "ValidationException",
                f'Cannot create already existing endpoint "{self._arn(asked.endpoint_name)}"',
            ) from None
        try:
            self._start(asked.endpoint_name, asked.endpoint_config_name)
        except BaseException:
            self._workplace.registry.remove(KIND, asked.endpoint_name)
            raise
        return {"EndpointArn": self._arn(asked.endpoint_name)}

    async def update(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Start the new model's process; the old one answers until the new one does."""
        asked = EndpointRequest.read(values)
        endpoint = self._get(asked.endpoint_name)
        self._models.get(CONFIG, asked.endpoint_config_name)
        if endpoint.state["status"] in _WORKING:
            raise ServiceFailure(
                400,
                "ValidationException",
                f"Cannot update in-progress endpoint {shown(endpoint.name)}: wait until it is InService",
            )
        self._workplace.registry.update(KIND, endpoint.name, status="Updating", config=asked.endpoint_config_name)
        self._start(asked.endpoint_name, asked.endpoint_config_name)
        return {"EndpointArn": self._arn(asked.endpoint_name)}

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        name = str(values.get("EndpointName", ""))
        endpoint = await settled(
            lambda: self._get(name),
            lambda found: found.state["status"] not in _WORKING,
            self._workplace.settings.hold_s,
            request,
        )
        config = self._workplace.registry.find(CONFIG, endpoint.state["config"])
        variants = [] if config is None else config.state["request"]["ProductionVariants"]
        return without_none(
            EndpointName=endpoint.name,
            EndpointArn=self._arn(endpoint.name),
            EndpointConfigName=endpoint.state["config"],
            EndpointStatus=endpoint.state["status"],
            FailureReason=endpoint.state.get("failure"),
            ProductionVariants=[
                {
                    "VariantName": variant["VariantName"],
                    "CurrentWeight": 1.0,
                    "DesiredWeight": 1.0,
                    "CurrentInstanceCount": 1,
                    "DesiredInstanceCount": 1,
                }
                for variant in variants
            ]
            or None,
            CreationTime=endpoint.created_s,
            LastModifiedTime=endpoint.modified_s,
        )

    async def list(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        found, token = list_page(
            self._workplace.registry.all(KIND), ListRequest.read(values), lambda one: one.state["status"]
        )
        entries = [
            {
                "EndpointName": one.name,
                "EndpointArn": self._arn(one.name),
                "CreationTime": one.created_s,
                "LastModifiedTime": one.modified_s,
                "EndpointStatus": one.state["status"],
            }
            for one in found
        ]
        return without_none(Endpoints=entries, NextToken=token)

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        endpoint = self._get(str(values.get("EndpointName", "")))
        with self._lock:
            self._workplace.registry.remove(KIND, endpoint.name)
            live = self._live.pop(endpoint.name, _Live())
        for worker in (live.worker, live.coming):
            if worker is not None:
                worker.end()
        return {}

    async def invoke(self, request: Request) -> Response:
        """Pass a call on to the endpoint's process and its answer back."""
        name = request.url.path.split("/")[2]
        live = self._live.get(name)
        if live is None or live.connections is None:
            endpoint = self._workplace.registry.find(KIND, name)
            state = "does not exist: create it first" if endpoint is None else f"is {endpoint.state['status']}"
            return failure_response(PlatformFailure(400, f"Endpoint {shown(name)} {state}"), request.scope)
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_BODY:
                failure = PlatformFailure(413, f"the body is larger than {_MOST_BODY >> 20} MiB")
                return failure_response(failure, request.scope)
        headers = {key: value for key, value in request.headers.items() if key not in _NOT_FORWARDED}
        try:
            answer = await live.connections.ask(request.method, request.url.path, headers, bytes(body))
        except OSError as error:
            failure = PlatformFailure(500, f"the process of endpoint {shown(name)} did not answer: {error}")
            return failure_response(failure, request.scope)
        response = Response(bytes(answer.body), answer.status)
        for key, value in answer.headers:
            if key not in _NOT_FORWARDED:
                response.headers[key] = value
        return response

    def _start(self, name: str, config_name: str) -> None:
        """Start a process for the endpoint's model. Raises ServiceFailure."""
        config = self._models.get(CONFIG, config_name)
        model = self._models.get(MODEL, config.state["request"]["ProductionVariants"][0]["ModelName"])
        container = ModelRequest.read(model.state["request"]).container
        assert container is not None
        place = model_place(self._workplace, container)
        variant = config.state["request"]["ProductionVariants"][0]["VariantName"]
        with self._lock:
            live = self._live.setdefault(name, _Live())
            live.coming = EndpointWorker(
                name,
                place,
                container.environment,
                multi_model=container.mode == "MultiModel",
                log=self._workplace.logs.writer(f"{LOG_GROUP}{name}", f"{variant}/local"),
                ready=lambda worker: self._take_over(name, worker),
                ended=lambda worker, words: self._fail(name, worker, words),
            )

    def _take_over(self, name: str, worker: EndpointWorker) -> None:
        with self._lock:
            live = self._live.get(name)
            if live is None or live.coming is not worker:
                worker.end()
                return
            former = live.worker
            live.worker, live.connections, live.coming = worker, LocalConnections(worker.port), None
            self._workplace.registry.update(KIND, name, status="InService", failure=None)
        if former is not None:
            former.end()

    def _fail(self, name: str, worker: EndpointWorker, words: str) -> None:
        """Note that a process has ended by itself; an update that failed leaves the old one in service."""
        with self._lock:
            live = self._live.get(name)
            if live is None or worker not in (live.worker, live.coming):
                return
            if worker is live.worker:
                live.worker = live.connections = None
            else:
                live.coming = None
            status = "Failed" if live.worker is None else "InService"
            self._workplace.registry.update(KIND, name, status=status, failure=words[:1024])

    def _get(self, name: str) -> Resource:
        found = self._workplace.registry.find(KIND, name)
        if found is None:
            raise ServiceFailure(
                400, "ValidationException", f'Could not find endpoint "{self._arn(name[:80])}": create it first'
            )
        return found

    def _arn(self, name: str) -> str:
        return arn(self._workplace.settings.region, KIND, name)

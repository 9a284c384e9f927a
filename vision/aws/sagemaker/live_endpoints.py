"""The endpoints at work: which deployment answers for each, which is to replace it, and the calls to them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from vision.aws.failure import ServiceFailure
from vision.aws.sagemaker.data_capture import DataCapture
from vision.aws.sagemaker.deployment import Deployment, VariantPlan
from vision.aws.sagemaker.models import CONFIG, MODEL, ConfigRequest, ModelRequest, Models, model_place
from vision.aws.workplace import Workplace
from vision.serving.request_failure import PlatformFailure, failure_response
from vision.settings.nearest import shown

KIND = "endpoint"
LOG_GROUP = "/aws/sagemaker/Endpoints/"
_MOST_BODY_BYTES = 25 << 20
# The bodies of all calls in work.
_MOST_HELD_BYTES = 512 << 20
# Between this server and the client, or this server and the process: not the other one's business.
_NOT_FORWARDED = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "expect", "authorization", "date", "server", "te"}
)


@dataclass
class _Live:
    """What answers for an endpoint, and what is to replace it."""

    serving: Deployment | None = None
    coming: Deployment | None = None

    def both(self) -> list[Deployment]:
        return [one for one in (self.serving, self.coming) if one is not None]


class LiveEndpoints:
    """Starts, replaces, calls and ends deployments, and notes in the registry what became of them."""

    def __init__(self, workplace: Workplace, models: Models) -> None:
        self._workplace = workplace
        self._models = models
        self._live: dict[str, _Live] = {}
        self._held_bytes = 0
        self.lock = threading.RLock()

    def end_all(self) -> None:
        """End all processes; the endpoints come back with the next server."""
        with self.lock:
            for live in self._live.values():
                for deployment in live.both():
                    deployment.end()

    def remove(self, name: str) -> None:
        """End an endpoint when its last calls are answered, and forget it."""
        with self.lock:
            self._workplace.registry.remove(KIND, name)
            live = self._live.pop(name, _Live())
        for deployment in live.both():
            deployment.retire()

    def set_weights(self, name: str, weights: Mapping[str, float]) -> None:
        """Share the next calls out among the variants by these weights."""
        live = self._live.get(name)
        if live is not None and live.serving is not None:
            live.serving.set_weights(weights)

    async def invoke(self, request: Request) -> Response:
        """Pass a call on to the endpoint's process and its answer back."""
        name, body = request.url.path.split("/")[2], bytearray()
        try:
            # Refused before the body is read, if it can be.
            self._serving(name)
            await self._read(request, body)
            headers = {key: value for key, value in request.headers.items() if key not in _NOT_FORWARDED}
            # A deployment that has been replaced while the body came takes no more calls.
            while not (deployment := self._serving(name)).enter():
                await asyncio.sleep(0)
            try:
                answer = await deployment.ask(request.url.path, headers, bytes(body))
            finally:
                deployment.leave()
        except PlatformFailure as refusal:
            return failure_response(refusal, request.scope)
        except OSError as error:
            failure = PlatformFailure(500, f"the process of endpoint {shown(name)} did not answer: {error}")
            return failure_response(failure, request.scope)
        finally:
            self._held_bytes -= len(body)
        response = Response(bytes(answer.body), answer.status)
        for key, value in answer.headers:
            if key not in _NOT_FORWARDED:
                response.headers[key] = value
        return response

    async def _read(self, request: Request, body: bytearray) -> None:
        """Append the body of a call. Raises PlatformFailure if it is too large, or all bodies together are."""
        async for piece in request.stream():
            if len(body) + len(piece) > _MOST_BODY_BYTES:
                raise PlatformFailure(413, f"the body is larger than {_MOST_BODY_BYTES >> 20} MiB")
            if self._held_bytes + len(piece) > _MOST_HELD_BYTES:
                raise PlatformFailure(503, "the calls in work take too much memory; ask again in a moment", 1)
            body += piece
            self._held_bytes += len(piece)

    def _serving(self, name: str) -> Deployment:
        live = self._live.get(name)
        if live is not None and live.serving is not None:
            return live.serving
        endpoint = self._workplace.registry.find(KIND, name)
        state = "does not exist: create it first" if endpoint is None else f"is {endpoint.state['status']}"
        raise PlatformFailure(400, f"Endpoint {shown(name)} {state}")

    def start(self, name: str, config_name: str, weights: Mapping[str, float]) -> None:
        """Start the processes of a configuration, with other ``weights`` than it names. Raises ServiceFailure."""
        config = ConfigRequest.read(self._models.get(CONFIG, config_name).state["request"])
        served = []
        for variant in config.production_variants:
            model = self._models.get(MODEL, variant.model_name)
            container = ModelRequest.read(model.state["request"]).container
            assert container is not None
            served.append((variant, container, model_place(self._workplace, container)))
        plans = [
            VariantPlan(
                variant.variant_name,
                weights.get(variant.variant_name, variant.initial_variant_weight),
                place,
                container.environment,
                container.mode == "MultiModel",
                self._workplace.logs.writer(f"{LOG_GROUP}{name}", f"{variant.variant_name}/local"),
            )
            for variant, container, place in served
        ]
        asked = config.data_capture_config
        capture = DataCapture(self._workplace.storage, name, asked) if asked and asked.enable_capture else None
        with self.lock:
            live = self._live.setdefault(name, _Live())
            live.coming = Deployment(
                name,
                config_name,
                plans,
                capture,
                ready=lambda deployment: self._take_over(name, deployment),
                ended=lambda deployment, words: self._fail(name, deployment, words),
            )

    def _take_over(self, name: str, deployment: Deployment) -> None:
        """Let a deployment answer the calls that come, and end the former one when it has answered its own."""
        with self.lock:
            live = self._live.get(name)
            endpoint = self._workplace.registry.find(KIND, name)
            if live is None or live.coming is not deployment or endpoint is None:
                deployment.end()
                return
            former, live.serving, live.coming = live.serving, deployment, None
            changes = {"status": "InService", "failure": None, "config": deployment.config}
            coming = endpoint.state.get("coming")
            if coming in (None, deployment.config):
                self._workplace.registry.update(KIND, name, **changes, coming=None)
            else:
                # An update that an earlier server had begun.
                self._workplace.registry.update(KIND, name, **changes | {"status": "Updating"})
                self._continue_update(name, coming, endpoint.state.get("weights", {}))
        if former is not None:
            former.retire()

    def _continue_update(self, name: str, config_name: str, weights: Mapping[str, float]) -> None:
        try:
            self.start(name, config_name, weights)
        except ServiceFailure as error:
            self._workplace.registry.update(KIND, name, status="InService", failure=error.sentence, coming=None)

    def _fail(self, name: str, deployment: Deployment, words: str) -> None:
        """Note that a process has ended by itself; an update that failed leaves the old one in service."""
        with self.lock:
            live = self._live.get(name)
            if live is None or deployment not in live.both():
                return
            if deployment is live.serving:
                live.serving = None
            else:
                live.coming = None
            status = "Failed" if live.serving is None else "InService"
            self._workplace.registry.update(KIND, name, status=status, failure=words[:1024], coming=None)
        deployment.end()

"""The way of a request through the server: admit it, receive the body, let the model answer, join the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext

from starlette.requests import Request
from starlette.responses import Response

from vision.data.recordio.record import MAGIC_BYTES
from vision.serving.hosted_model import HostedModel
from vision.serving.hosted_network import Answer, SharedResources
from vision.serving.media_types import body_kind, choose_form, read_media_type
from vision.serving.metrics import Metrics
from vision.serving.model_store import ModelStore
from vision.serving.request_body import Images, images_of, read_body
from vision.serving.request_failure import RequestFailure
from vision.serving.served_indexes import ServedIndexes
from vision.serving.settings import ServingSettings

_CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_LONGEST_ATTRIBUTES = 1024


class Service:
    """The state of one worker process. ``store`` holds the models in multi-model mode, else it is None.

    ``indexes`` are what images are searched in, None if the settings name no folder of them.

    The constructor loads the model and lets it answer a first image. Raises UserError. ``places`` is the number of
    connections that may have a request in work.
    """

    def __init__(self, settings: ServingSettings, metrics: Metrics, places: int | None = None) -> None:
        self.settings = settings
        self._most_requests = min(settings.max_requests, places or settings.max_requests)
        self.metrics = metrics
        self.is_draining = False
        self.in_work = 0
        shared = SharedResources(settings, metrics)
        self._decoders = shared.decoders
        self.store = ModelStore(shared) if settings.multi_model else None
        has_model = not (settings.multi_model or settings.only_searches)
        self._model = HostedModel.load(settings.model, shared) if has_model else None
        self.indexes = None if settings.indexes is None else ServedIndexes(settings.indexes, shared)
        if self._model is not None:
            metrics.put("vision_loaded_models", 1)
            metrics.put("vision_loaded_models_bytes", self._model.bytes)
        metrics.put("vision_ready_workers", 1)

    @property
    def model(self) -> HostedModel:
        """Return the one model. Raises RequestFailure 404 where there is none, or one of several."""
        if self._model is None and self.store is None:
            raise RequestFailure(404, f"{self.settings.model} only searches here; call /indexes/NAME/search")
        if self._model is None:
            raise RequestFailure(404, "several models are served here; call /models/NAME/invoke")
        return self._model

    async def answer(self, request: Request, use: AbstractAsyncContextManager[HostedModel]) -> Response:
        """Answer the images in a request's body. Raises RequestFailure.

        The model is used only when the body has come: a slow one must not keep others from its memory.
        """
        headers = _custom_attributes(request)
        started_s = asyncio.get_running_loop().time()
        if self._model is not None:
            # A client that the model cannot answer is refused before it sends its body.
            self._form(request, self._model)
        images = await self.receive(request)
        received_s = asyncio.get_running_loop().time()
        async with use as model:
            form = self._form(request, model, len(images.images))
            # Loading a model has a time limit of its own.
            async with self.at_work(received_s - started_s):
                answers = await model.answer(images.images, form)
        response = _response(answers, images.is_list, form)
        response.headers.update(headers)
        return response

    @asynccontextmanager
    async def at_work(self, gone_s: float) -> AsyncIterator[None]:
        """Hold one of the places of work, for no longer than is left of ``timeout_s``. Raises RequestFailure 503."""
        with self._admitted():
            try:
                async with asyncio.timeout(self.settings.timeout_s - gone_s):
                    yield
            except TimeoutError:
                limit = f"{self.settings.timeout_s:g} seconds that timeout_s allows"
                raise RequestFailure(503, f"there was no answer within the {limit}", retry_after_s=1) from None

    def _form(self, request: Request, model: HostedModel, images: int = 1) -> str:
        """Return the form in which a client wants the answers for so many images. Raises RequestFailure 406.

        Those of several images come in the first form that the client takes and that joins them to one body.
        """
        settings = self.settings
        wanted = request.headers.get("accept", "")
        default = settings.default_accept or model.forms[0]
        form = choose_form(wanted, default, model.forms, verbose=settings.verbose)
        if images == 1 or read_media_type(form).joining is not None:
            return form
        joined = tuple(other for other in model.forms if read_media_type(other).joining is not None)
        try:
            return choose_form(wanted, default, joined, verbose=settings.verbose)
        except RequestFailure:
            advice = f", or ask for Accept: {' or '.join(joined)}" if joined else ""
            raise RequestFailure(
                406,
                f"an answer as {form} is that of one image, but the body has {images}: send one image a request"
                f"{advice}",
            ) from None

    async def receive(self, request: Request) -> Images:
        """Return the images of the body; the one model expects them while they arrive. Takes no place of work."""
        kind = body_kind(request.headers.get("content-type", ""))
        with nullcontext() if self._model is None else self._model.expected():
            body = await read_body(request, self.settings.max_payload_bytes, self.settings.timeout_s)
            if body.startswith(MAGIC_BYTES):
                # Splitting many records takes a while.
                return await asyncio.to_thread(images_of, body, kind, self.settings.max_images)
            return images_of(body, kind, self.settings.max_images)

    @property
    def is_healthy(self) -> bool:
        """Return whether the server accepts requests, decodes images and gets predictions."""
        networks = (self._model, None if self.indexes is None else self.indexes.embedding)
        is_able = all(network is None or network.is_healthy for network in networks)
        return not self.is_draining and not self._decoders.are_stuck and is_able

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        if self.in_work >= self._most_requests:
            raise RequestFailure(
                503,
                f"{self.in_work} requests are in work, as many as max_requests allows; ask again in a moment",
                retry_after_s=1,
            )
        self.in_work += 1
        self.metrics.put("vision_requests_in_work", self.in_work)
        try:
            yield
        finally:
            self.in_work -= 1
            self.metrics.put("vision_requests_in_work", self.in_work)


def _custom_attributes(request: Request) -> dict[str, str]:
    """Return the header that is passed back to the client. Raises RequestFailure 400."""
    text = request.headers.get(_CUSTOM_ATTRIBUTES)
    if text is None:
        return {}
    if len(text) > _LONGEST_ATTRIBUTES or not text.isascii() or not text.isprintable():
        raise RequestFailure(
            400, f"X-Amzn-SageMaker-Custom-Attributes may have {_LONGEST_ATTRIBUTES} printable ASCII characters at most"
        )
    return {_CUSTOM_ATTRIBUTES: text}


def _response(answers: list[Answer], is_list: bool, form: str) -> Response:
    """Put the answers together. Raises RequestFailure 400 if all images are broken."""
    problems = [answer.problem for answer in answers if answer.problem is not None]
    if len(problems) == len(answers):
        raise RequestFailure(400, problems[0])
    bodies = [json.dumps({"error": answer.problem}).encode() if answer.problem else answer.body for answer in answers]
    media_type = read_media_type(form)
    joining = media_type.joining
    body = joining.join(bodies) if joining is not None and (is_list or joining.always) else bodies[0]
    return Response(body, media_type=media_type.name)

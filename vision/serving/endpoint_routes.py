"""The part of SageMaker's own endpoint: what boto3's ``invoke_endpoint`` calls when its endpoint_url points here."""

from __future__ import annotations

import json
import os
import re
import uuid
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from vision.serving.failure import RequestFailure
from vision.serving.hosted_model import HostedModel
from vision.serving.model_store import ModelStore
from vision.serving.service import Service
from vision.settings.nearest import shown

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})")
_DEFAULT_VARIANT = "AllTraffic"


class PlatformFailure(RequestFailure):
    """The request did not get as far as the model."""


class EndpointRoutes:
    """``POST /endpoints/NAME/invocations``."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def invoke(self, request: Request) -> Response:
        """Answer as /invocations does, with the platform's headers and errors."""
        variant = request.headers.get("x-amzn-sagemaker-target-variant", _DEFAULT_VARIANT)
        headers = {
            "x-amzn-requestid": str(uuid.uuid4()),
            "x-amzn-invoked-production-variant": variant if _NAME.fullmatch(variant) else _DEFAULT_VARIANT,
        }
        try:
            self._check_name(request.path_params["name"])
            async with await self._model(request) as model:
                response = await self._service.answer(request, model)
        except RequestFailure as failure:
            response = _platform_response(failure)
        response.headers.update(headers)
        return response

    def _check_name(self, name: str) -> None:
        wanted = self._service.settings.endpoint
        if not _NAME.fullmatch(name) or wanted not in (None, name):
            raise PlatformFailure(400, f"Endpoint {shown(name)} is not served here; it is {wanted or 'any plain name'}")

    async def _model(self, request: Request) -> AbstractAsyncContextManager[HostedModel]:
        target = request.headers.get("x-amzn-sagemaker-target-model")
        store = self._service.store
        if store is None:
            if target is not None:
                raise PlatformFailure(400, "TargetModel was given, but one model is served here (multi_model=false)")
            return nullcontext(self._service.model)
        if target is None:
            raise PlatformFailure(400, "TargetModel is missing, but several models are served here (multi_model=true)")
        if target not in {loaded.name for loaded in store.list()}:
            await self._load(store, target)
        return store.use(target)

    async def _load(self, store: ModelStore, target: str) -> None:
        """Load a model below the folder of models; on 507 unload others, as the platform does."""
        root = self._service.settings.model.resolve()
        path = Path(os.path.normpath(root / target))
        if "\0" in target or not path.is_relative_to(root) or path == root or not path.exists():
            raise PlatformFailure(400, f"TargetModel {shown(target)} does not exist in the folder of models")
        while True:
            try:
                return await store.load(target, str(path))
            except RequestFailure as failure:
                if failure.status == 409:
                    return None
                if failure.status != 507 or not await store.unload_least_recently_used():
                    raise


def _platform_response(failure: RequestFailure) -> Response:
    """boto3 raises ModelError for what the container says, and the platform's own errors by name."""
    if isinstance(failure, PlatformFailure):
        kind, status = "ValidationError", failure.status
        content: dict[str, str | int] = {"Message": failure.sentence}
    else:
        kind, status = "ModelError", 424
        message = (
            f"Received client error ({failure.status}) from primary with message"
            if failure.status < 500
            else f"Received server error ({failure.status}) from primary with message"
        )
        content = {
            "ErrorCode": "CLIENT_ERROR_FROM_MODEL" if failure.status < 500 else "INTERNAL_FAILURE_FROM_MODEL",
            "LogStreamArn": "",
            "Message": f'{message} "{failure.sentence}".',
            "OriginalMessage": failure.sentence,
            "OriginalStatusCode": failure.status,
        }
    headers = {"x-amzn-errortype": kind}
    if failure.status == 413:
        headers["connection"] = "close"
    return Response(json.dumps(content), status, headers, media_type="application/json")

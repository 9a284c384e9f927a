"""SageMaker's runtime API: what boto3's ``invoke_endpoint`` sends when its endpoint_url is this server."""

from __future__ import annotations

import re
import uuid
from contextlib import AbstractAsyncContextManager, nullcontext

from starlette.requests import Request
from starlette.responses import Response

from vision.serving.hosted_model import HostedModel
from vision.serving.request_failure import PlatformFailure, RequestFailure, internal_failure, platform_response
from vision.serving.service import Service
from vision.settings.nearest import shown

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})")
_DEFAULT_VARIANT = "AllTraffic"


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
        self._check_name(request.path_params["name"])
        try:
            response = await self._service.answer(request, self._model(request))
        except PlatformFailure:
            raise
        except RequestFailure as failure:
            response = _model_error(failure)
        except Exception:
            response = _model_error(internal_failure("a request to an endpoint"))
        response.headers.update(headers)
        return response

    def _check_name(self, name: str) -> None:
        wanted = self._service.settings.endpoint
        if not _NAME.fullmatch(name) or wanted not in (None, name):
            raise PlatformFailure(400, f"Endpoint {shown(name)} is not served here; it is {wanted or 'any plain name'}")

    def _model(self, request: Request) -> AbstractAsyncContextManager[HostedModel]:
        target = request.headers.get("x-amzn-sagemaker-target-model")
        store = self._service.store
        if store is None:
            if target is not None:
                raise PlatformFailure(400, "TargetModel was given, but one model is served here (multi_model=false)")
            return nullcontext(self._service.model)
        if target is None:
            raise PlatformFailure(400, "TargetModel is missing, but several models are served here (multi_model=true)")
        path = store.path_of(target)
        if path is None:
            raise PlatformFailure(400, f"TargetModel {shown(target)} does not exist in the folder of models")
        return store.use_or_load(path)


def _model_error(failure: RequestFailure) -> Response:
    """Return an error of the model as boto3's ModelError; errors of the platform have other names."""
    is_clients = failure.status < 500
    whose = "client" if is_clients else "server"
    content: dict[str, str | int] = {
        "ErrorCode": "CLIENT_ERROR_FROM_MODEL" if is_clients else "INTERNAL_FAILURE_FROM_MODEL",
        "LogStreamArn": "",
        "Message": f'Received {whose} error ({failure.status}) from primary with message "{failure.sentence}".',
        "OriginalMessage": failure.sentence,
        "OriginalStatusCode": failure.status,
    }
    return platform_response(failure, 424, "ModelError", content)

"""Failures of requests: an HTTP status and one sentence, in the shape of the client's protocol.

Paths below /endpoints/ are SageMaker's own API, ``POST /`` is Rekognition's, and all others are the container's.
"""

from __future__ import annotations

import json
import logging
import uuid

from starlette.responses import Response
from starlette.types import Scope

log = logging.getLogger(__name__)

AMAZON_JSON = "application/x-amz-json-1.1"
_ENDPOINTS = "/endpoints/"
# The exception names of SageMaker's clients for errors of the platform, by status.
_PLATFORM_KINDS = {
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "UnknownOperationException",
    405: "UnknownOperationException",
    429: "ModelNotReadyException",
    500: "InternalFailure",
    503: "ServiceUnavailable",
}
# The status and exception name of Rekognition, by our status.
_REKOGNITION_KINDS = {
    400: (400, "InvalidParameterException"),
    401: (400, "AccessDeniedException"),
    403: (400, "AccessDeniedException"),
    404: (400, "ResourceNotFoundException"),
    408: (408, "RequestTimeoutException"),
    413: (400, "ImageTooLargeException"),
    415: (400, "SerializationException"),
    503: (500, "ThrottlingException"),
}


class RequestFailure(Exception):
    """Ends a request with an HTTP ``status`` and a ``sentence`` for the client."""

    def __init__(self, status: int, sentence: str, retry_after_s: int | None = None) -> None:
        self.status = status
        self.sentence = sentence
        self.retry_after_s = retry_after_s
        super().__init__(sentence)


class PlatformFailure(RequestFailure):
    """The request did not get as far as the model: on /endpoints/ an error of the platform, not of the model."""


class ExceptionByName(RequestFailure):
    """A failure with the exception name that Rekognition's clients know."""

    def __init__(self, status: int, kind: str, sentence: str) -> None:
        super().__init__(status, sentence)
        self.kind = kind


def internal_failure(what: str) -> RequestFailure:
    """Log the exception being handled and return a failure that says nothing of the server's inside."""
    log.exception("%s failed", what)
    return RequestFailure(500, "the server failed on this request; its log says why")


def failure_response(failure: RequestFailure, scope: Scope) -> Response:
    """Return the failure in the shape that clients of the request's path understand."""
    path = scope["path"]
    if path.startswith(_ENDPOINTS):
        kind = _PLATFORM_KINDS.get(failure.status, "ValidationError")
        return platform_response(failure, failure.status, kind, {"Message": failure.sentence})
    if path == "/" and scope["method"] == "POST":
        return _rekognition_response(failure)
    return _response(failure, failure.status, {"error": failure.sentence}, {})


def platform_response(failure: RequestFailure, status: int, kind: str, content: dict[str, str | int]) -> Response:
    """Return an error of SageMaker's runtime API; boto3 reads its name from a header."""
    headers = {"x-amzn-errortype": kind, "x-amzn-requestid": str(uuid.uuid4())}
    return _response(failure, status, content, headers)


def _rekognition_response(failure: RequestFailure) -> Response:
    if isinstance(failure, ExceptionByName):
        status, kind = failure.status, failure.kind
    else:
        status, kind = _REKOGNITION_KINDS.get(failure.status, (500, "InternalServerError"))
    headers = {"x-amzn-requestid": str(uuid.uuid4()), "content-type": AMAZON_JSON}
    return _response(failure, status, {"__type": kind, "message": failure.sentence}, headers)


def _response(failure: RequestFailure, status: int, content: dict[str, str | int], headers: dict[str, str]) -> Response:
    if failure.retry_after_s is not None:
        headers["retry-after"] = str(failure.retry_after_s)
    return Response(json.dumps(content) + "\n", status, headers, media_type="application/json")

"""AWS's JSON protocol 1.1: ``POST /``, the header X-Amz-Target names the operation, and errors have ``__type``."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from vision.aws.failure import ServiceFailure, internal_failure
from vision.aws.waiter import is_waiter, keep_waiting
from vision.files.write_error import machine_trouble
from vision.settings.errors import UserError
from vision.settings.nearest import did_you_mean
from vision.settings.strict_json import parse_json

log = logging.getLogger(__name__)

Operation = Callable[[dict[str, Any], Request], Awaitable[dict[str, Any]]]

_LARGEST_BODY = 8 << 20
_MEDIA_TYPE = "application/x-amz-json-1.1"


class JsonService:
    """Answers the operations of one service.

    ``prefix`` stands before their names in X-Amz-Target; ``internal_error`` is its name for faults of its own.
    """

    def __init__(
        self, prefix: str, operations: Mapping[str, Operation], internal_error: str = "InternalFailure"
    ) -> None:
        self._prefix = prefix
        self._operations = operations
        self._internal_error = internal_error

    async def answer(self, request: Request) -> Response:
        """Return the answer, or the error in the protocol's shape."""
        return await (keep_waiting(self._answer, request) if is_waiter(request) else self._answer(request))

    async def _answer(self, request: Request) -> Response:
        try:
            return _response(await self._call(request), 200)
        except ServiceFailure as error:
            failure = error
        except UserError as error:
            failure = ServiceFailure(400, "ValidationException", str(error))
        except OSError as error:
            trouble = machine_trouble(error)
            if trouble is None:
                log.exception("a call of %s failed", self._prefix)
            failure = self._internal() if trouble is None else ServiceFailure(500, self._internal_error, trouble)
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("a call of %s failed", self._prefix)
            failure = self._internal()
        return error_response(failure)

    def _internal(self) -> ServiceFailure:
        return internal_failure(self._internal_error)

    async def _call(self, request: Request) -> dict[str, Any]:
        if request.method != "POST" or request.url.path != "/":
            raise ServiceFailure(404, "UnknownOperationException", "the calls of this service are POST /")
        target = request.headers.get("x-amz-target", "")
        name = target.removeprefix(f"{self._prefix}.")
        operation = self._operations.get(name)
        if operation is None:
            raise ServiceFailure(
                400,
                "UnknownOperationException",
                f"Operation {name[:80]!r} is not answered here: {did_you_mean(name, self._operations)}",
            )
        return await operation(await _read(request), request)


def error_response(failure: ServiceFailure) -> Response:
    """Return a failure in the protocol's shape."""
    return _response({"__type": failure.code, "message": failure.sentence}, failure.status)


def _response(value: Mapping[str, Any], status: int) -> Response:
    headers = {"x-amzn-requestid": str(uuid.uuid4())}
    return Response(json.dumps(value), status, headers, media_type=_MEDIA_TYPE)


async def _read(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_BODY:
            raise _unreadable("it is larger than 8 MiB")
    try:
        value = parse_json(bytes(body) or b"{}")
    except ValueError as error:
        raise _unreadable(str(error)) from None
    if not isinstance(value, dict):
        raise _unreadable("it is not one JSON object")
    if rb"\ud" in body.lower() and not _is_unicode(value):
        raise _unreadable("a text in it has half of a surrogate pair")
    return value


def _is_unicode(value: object) -> bool:
    """Return whether all texts in a JSON value can be written."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unreadable(why: str) -> ServiceFailure:
    return ServiceFailure(400, "SerializationException", f"the body of the request cannot be read: {why}")

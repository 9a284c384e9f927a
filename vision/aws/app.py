"""The endpoint as one ASGI application: each request goes to the service that it is signed for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vision.aws.signed_scope import SignedScope
from vision.settings.nearest import did_you_mean

Service = Callable[[Request], Awaitable[Response]]


def build_app(services: Mapping[str, Service], region: str) -> ASGIApp:
    """Return the application. ``services`` are by the name that clients sign for."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await _answer(request, services, region)
        await response(scope, receive, send)

    return app


async def _answer(request: Request, services: Mapping[str, Service], region: str) -> Response:
    signed = SignedScope.of(request.headers, request.query_params, region)
    if signed is None:
        if request.url.path == "/ping":
            return Response()
        return PlainTextResponse('vision: point AWS clients here: eval "$(vision aws env)"\n', 404)
    service = services.get(signed.service)
    if service is None:
        sentence = f"Service {signed.service} is not answered here: {did_you_mean(signed.service, services)}"
        return Response(
            f'{{"__type": "UnknownOperationException", "message": "{sentence}"}}',
            400,
            media_type="application/x-amz-json-1.1",
        )
    return await service(request)

"""The endpoint as one ASGI application: a request goes to the service that it is signed for, others to the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vision.aws.signed_scope import SignedScope
from vision.settings.nearest import did_you_mean

Service = Callable[[Request], Awaitable[Response]]


def build_app(services: Mapping[str, Service], page: Service, region: str) -> ASGIApp:
    """Return the application. ``services`` are by the name that clients sign for; ``page`` is for browsers."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            response = await _answer(request, services, page, region)
        except ClientDisconnect:
            # Nobody is there to answer.
            return
        await response(scope, receive, send)

    return app


async def _answer(request: Request, services: Mapping[str, Service], page: Service, region: str) -> Response:
    signed = SignedScope.of(request.headers, request.query_params, region)
    if signed is None:
        if request.url.path == "/ping":
            return Response()
        return await page(request)
    service = services.get(signed.service)
    if service is None:
        sentence = f"Service {signed.service} is not answered here: {did_you_mean(signed.service, services)}"
        return Response(
            f'{{"__type": "UnknownOperationException", "message": "{sentence}"}}',
            400,
            media_type="application/x-amz-json-1.1",
        )
    return await service(request)

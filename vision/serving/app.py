"""The routes of the server, as an ASGI application, and the web page for trying a model."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vision.serving.detect_custom_labels import CustomLabels
from vision.serving.index_routes import IndexRoutes
from vision.serving.invoke_endpoint import EndpointRoutes
from vision.serving.multi_model import ModelRoutes
from vision.serving.request_failure import RequestFailure, failure_response, internal_failure
from vision.serving.service import Service

Handler = Callable[[Request], Awaitable[Response]]

# SageMaker's batch transform takes no more than 100 MB at once from all requests together, and 100 of them.
_MOST_TRANSFORM_MB = 100
_STATES = {404: "nothing is served at this path", 405: "this path does not take this method"}


_HTML = files("vision.serving").joinpath("page.html").read_text(encoding="utf-8")


def _digest(tag: str) -> str:
    """Return the hash of the page's only script or style, as its content security policy names it."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", _HTML, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


HEADERS = {
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest('script')}",
            f"style-src {_digest('style')}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def build_app(service: Service) -> Starlette:
    """Return the application of one worker."""

    async def ping(request: Request) -> Response:
        return Response(status_code=200 if service.is_healthy else 503)

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    async def execution_parameters(request: Request) -> Response:
        return Response(json.dumps(transform_parameters(service)) + "\n", media_type="application/json")

    async def page(request: Request) -> Response:
        return page_response()

    async def invocations(request: Request) -> Response:
        return await service.answer(request, nullcontext(service.model))

    routes = [
        Route("/ping", ping, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/execution-parameters", execution_parameters, methods=["GET"]),
        Route("/invocations", _guarded(service, "invocations", invocations), methods=["POST"]),
        Route(
            "/endpoints/{name}/invocations",
            _guarded(service, "endpoint", EndpointRoutes(service).invoke),
            methods=["POST"],
        ),
        Route("/", page, methods=["GET"]),
        Route("/", _guarded(service, "custom_labels", CustomLabels(service).detect), methods=["POST"]),
    ]
    if service.store is not None:
        models = ModelRoutes(service)
        routes += [
            Route(path, _guarded(service, route, handler), methods=[method])
            for method, path, route, handler in (
                ("POST", "/models", "models", models.load),
                ("GET", "/models", "models", models.list),
                ("POST", "/models/{name:path}/invoke", "model", models.invoke),
                ("GET", "/models/{name:path}", "models", models.get),
                ("DELETE", "/models/{name:path}", "models", models.unload),
            )
        ]
    if service.indexes is not None:
        indexes = IndexRoutes(service, service.indexes)
        images, search = "/indexes/{name}/images", "/indexes/{name}/search"
        routes += [
            Route(path, _guarded(service, "indexes", handler), methods=[method])
            for method, path, handler in (
                ("GET", "/indexes", indexes.list),
                ("PUT", "/indexes/{name}", indexes.create),
                ("GET", "/indexes/{name}", indexes.get),
                ("DELETE", "/indexes/{name}", indexes.delete),
                ("GET", images, indexes.list_images),
                ("POST", images, indexes.add_images),
                ("DELETE", images, indexes.delete_images),
                ("POST", search, indexes.search),
            )
        ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _not_routed})
    # A redirect would repeat the client's Host header, and many clients would drop the body.
    app.router.redirect_slashes = False
    return app


def transform_parameters(service: Service) -> dict[str, object]:
    """Return what SageMaker's batch transform asks for before it starts."""
    payload_mb = max(1, min(_MOST_TRANSFORM_MB, int(service.settings.max_payload_mb)))
    concurrent = max(1, min(_MOST_TRANSFORM_MB // payload_mb, service.settings.max_requests))
    return {
        "MaxConcurrentTransforms": concurrent,
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": payload_mb,
    }


def _guarded(service: Service, route: str, handler: Handler) -> Handler:
    """Wrap a handler so that its failures become answers and every answer is counted."""

    async def guarded(request: Request) -> Response:
        started = time.monotonic()
        try:
            response = await handler(request)
        except RequestFailure as failure:
            response = failure_response(failure, request.scope)
        except Exception:
            response = failure_response(internal_failure(f"a request to /{route}"), request.scope)
        if service.is_draining:
            response.headers["connection"] = "close"
        service.metrics.count_request(route, response.status_code, time.monotonic() - started)
        return response

    return guarded


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    failure = RequestFailure(error.status_code, _STATES.get(error.status_code, error.detail))
    response = failure_response(failure, request.scope)
    response.headers.update(error.headers or {})
    return response


def page_response() -> Response:
    """Return the page. It needs no token: it asks its user for it."""
    return Response(_HTML, headers=HEADERS, media_type="text/html")

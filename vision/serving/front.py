"""The application before its model: answers 503 at once, then hands everything to the service."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vision.serving.failure import RequestFailure, failure_response


class Front:
    """``app`` is put in its place when the model has answered a first image."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        loading = RequestFailure(503, "the model is still being loaded; ask again in a moment", retry_after_s=1)
        response = Response(status_code=503) if scope["path"] == "/ping" else failure_response(loading, scope)
        await response(scope, receive, send)

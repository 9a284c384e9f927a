"""One request to an ASGI application, without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


Receive = Callable[[], Awaitable[dict[str, Any]]]


def whole(body: bytes) -> Receive:
    """A client that has sent all."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def silent() -> dict[str, Any]:
    """A client that sends nothing and stays."""
    await asyncio.sleep(3600)
    raise AssertionError


async def gone() -> dict[str, Any]:
    """A client that has hung up."""
    return {"type": "http.disconnect"}


async def post(app: Any, receive: Receive, path: str = "/invocations", **headers: str) -> Answered:
    """POST and the answer. ``content_type`` means Content-Type."""
    return await ask(app, "POST", path, receive, **headers)


async def ask(app: Any, method: str, target: str, receive: Receive, **headers: str) -> Answered:
    """Send a request and return the answer; ``target`` is a path, with a query or without."""
    path, _, query = target.partition("?")
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": named, "query_string": query.encode()}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    shown = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answered(sent[0]["status"], shown, b"".join(message.get("body", b"") for message in sent[1:]))

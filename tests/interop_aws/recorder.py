"""Records what clients ask of the local endpoint, without clock, ids and hosts, for tests/aws/test_traces.py."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vision.aws.signed_scope import SignedScope

_KEPT = ("content-type", "accept", "x-amz-copy-source", "range")
# Names with the clock in them, the starts of log streams, moments, and what comes out of earlier answers.
_SCRUBBED = (
    (r"(v3-[a-z]+)-\d{14}", r"\1"),
    (r"image-classification-[\d-]{23}", "image-classification"),
    (r'("logStreamName": "[^"]*)\d{10}"', r'\1<start>"'),
    (r'("[nN]extToken": )"[^"]*"', r'\1"<token>"'),
    (r'("startTime": )\d+', r"\g<1>0"),
    (r'("StartTime": )[\d.]+', r'\1"<begin>"'),
    (r'("EndTime": )[\d.]+', r'\1"<end>"'),
)


class Recorder:
    """Wraps the endpoint. ``files`` are what clients upload, by name."""

    def __init__(self, app: ASGIApp, files: Path) -> None:
        self._app, self._files = app, files
        self._lines: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, status = bytearray(), 0

        async def heard() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def said(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, heard, said)
        line = self._line(scope, bytes(body), status)
        # Clients that poll ask the same again.
        if not self._lines or self._lines[-1] != line:
            self._lines.append(line)

    def _line(self, scope: Scope, body: bytes, status: int) -> str:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        signed = SignedScope.of(headers, {}, "")
        path = unquote(scope["raw_path"].decode())
        trace: dict[str, Any] = {"service": None if signed is None else signed.service, "status": status}
        if "x-amz-target" in headers:
            trace["target"] = headers["x-amz-target"]
        else:
            trace |= {"method": scope["method"], "path": path, "query": scope["query_string"].decode()}
            trace["headers"] = {name: value for name, value in headers.items() if name in _KEPT}
        name = Path(path).name
        if body and (self._files / name).is_file():
            trace["file"] = name
        elif path.endswith("/invocations"):
            trace["file"] = "photo.png"
        elif body:
            text = body.decode()
            trace["body"] = json.loads(text) if text.startswith("{") else text
        line = json.dumps(trace)
        for pattern, replacement in _SCRUBBED:
            line = re.sub(pattern, replacement, line)
        return line

    def write(self, path: Path) -> None:
        """Write the requests so far, a line for each."""
        path.write_text("".join(f"{line}\n" for line in self._lines))

"""HTTP/1 with limits: uvicorn's httptools protocol, but no client can make it store, wait or parse without bounds.

Heads are limited in bytes, lines and time, bodies are counted, and a refusal reaches its client before the connection
is closed, even if the client is still sending.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vision.serving.connections import Connections, Stage
from vision.serving.request_failure import RequestFailure, failure_response

MOST_HEAD_BYTES = 64 << 10
MOST_LINE_BYTES = 8 << 10
MOST_HEADERS = 100
# Read and discarded of a refused request: many clients read the answer only after sending everything.
MOST_REST_BYTES = 64 << 20
# Requests that wait on one connection for the answers to earlier ones.
MOST_PIPELINED = 16

_UPGRADE_HEADERS = (b"upgrade", b"http2-settings")


class GuardedProtocol(HttpToolsProtocol):
    """One connection. ``cycle`` is its latest request, ``pipeline`` those that wait for an earlier one's answer."""

    def __init__(self, connections: Connections, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._connections = connections
        self.url = b""
        # Bytes since something was complete: the parser holds no more than these.
        self._unfinished_bytes = 0
        self._is_in_head = False
        self._head_bytes = self._header_count = 0
        self._may_stay = False
        self._body_bytes = self._noted_body_bytes = 0
        self._rest_bytes = 0
        # The answer to an unreadable request, which waits for the answers to earlier ones.
        self._final_answer: bytes | None = None
        self._is_ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # A request that closes its connection leaves the client time to read the answer.
        self._exit: Any = SimpleNamespace(write=transport.write, is_closing=transport.is_closing, close=self._end)
        if not self._connections.admit(self):
            self._is_ending = True
            transport.write(self._answer(_no_room("all connections are in work")))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self)
        self._note_body(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._is_ending or self._final_answer is not None:
            self._discard(len(data))
        else:
            self._feed(data)
            self._settle()

    def eof_received(self) -> bool:  # type: ignore[override]
        """True keeps the connection of a client that has finished sending open until it has its answer."""
        stage = self._stage()
        if stage is Stage.WORK:
            self.cycle.keep_alive = False
        elif stage in (Stage.HEAD, Stage.BODY):
            self._refuse(RequestFailure(400, "the connection was closed before the whole request had come"))
        return stage is Stage.WORK

    def pause_writing(self) -> None:
        super().pause_writing()
        self._settle()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._settle()

    # Called by the parser. An exception here ends the parsing; feed_data raises its own error with this one as context.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = self._header_count = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MOST_LINE_BYTES:
            raise RequestFailure(414, f"the path has more than the {MOST_LINE_BYTES} bytes that it may have")

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name) + len(value)
        self._head_bytes += size
        self._header_count += 1
        if size > MOST_LINE_BYTES or self._header_count > MOST_HEADERS or self._head_bytes > MOST_HEAD_BYTES:
            raise _too_large_head()
        # Headers after a chunked body are not used.
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unfinished_bytes = 0
        self._is_in_head = False
        if self.parser.should_upgrade():
            return
        if len(self.pipeline) >= MOST_PIPELINED:
            raise RequestFailure(400, f"{MOST_PIPELINED} requests wait on this connection for earlier answers already")
        self.expect_100_continue &= self.parser.get_http_version() != "1.0"
        super().on_headers_complete()
        self.cycle.transport = self._exit
        # A client that is refused before its body may still send the body, so the next bytes cannot be interpreted.
        self._may_stay = self.cycle.keep_alive
        if self.expect_100_continue:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._unfinished_bytes = 0
        if self.cycle.response_complete:
            self._discard(len(body))
        else:
            self._body_bytes += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished_bytes = self._rest_bytes = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()
            self.cycle.more_body = False
            self.cycle.keep_alive = self._may_stay

    # Called by requests and the server.

    def on_response_complete(self) -> None:
        self._note_body(0)
        if self._is_ending:
            return
        if self._final_answer is not None and not self.pipeline:
            self.transport.write(self._final_answer)
            self._end()
        else:
            super().on_response_complete()
        self._settle()

    def shutdown(self) -> None:
        if self._stage() is Stage.REST:
            self._close()
        else:
            super().shutdown()

    def expire(self, stage: Stage) -> None:
        """Close, after too long a time in a stage."""
        if stage is Stage.HEAD:
            self._refuse(RequestFailure(408, "the head of the request did not come in the time that it may take"))
        elif stage is Stage.REST:
            self.transport.abort()
        else:
            self._close()

    def give_way(self, reason: str) -> None:
        """Close at once, because others need the place or the memory."""
        stage = self._stage()
        self._connections.leave(self)
        self._note_body(0)
        self._is_ending = True
        if stage is Stage.BODY:
            self._disconnect()
        if stage in (Stage.HEAD, Stage.BODY):
            self.transport.write(self._answer(_no_room(reason)))
            self.transport.close()
        else:
            self._close()

    def _feed(self, data: bytes) -> None:
        self._unfinished_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            if not isinstance(cause, RequestFailure):
                cause = RequestFailure(400, "the request is not HTTP/1 as this server reads it")
            self._refuse(cause)
        else:
            if self._unfinished_bytes > MOST_HEAD_BYTES:
                self._refuse(_too_large_head())

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Answer in HTTP/1.1 a client that asks for another protocol, as the standard allows."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(RequestFailure(405, "CONNECT asks for a proxy, which this server is not"))
            return
        lines = [b"%b %b HTTP/1.1" % (method, self.url)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() not in _UPGRADE_HEADERS)
            if value and name not in _UPGRADE_HEADERS:
                lines.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn does: bytes after a request with "Connection: close" are not an error.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _stage(self) -> Stage:
        cycle = self.cycle
        if self._is_ending or self.flow.write_paused:
            return Stage.REST
        if cycle is not None and not cycle.response_complete:
            return Stage.BODY if cycle.more_body and not self.pipeline else Stage.WORK
        if cycle is not None and cycle.more_body:
            return Stage.REST
        return Stage.HEAD if self._is_in_head else Stage.IDLE

    def _settle(self) -> None:
        """Record the stage and the bytes of this connection."""
        if not self.transport.is_closing():
            self._connections.enter(self, self._stage())
            self._note_body(self._body_bytes)

    def _note_body(self, size: int) -> None:
        change = size - self._noted_body_bytes
        self._body_bytes = self._noted_body_bytes = size
        self._connections.hold(change)  # which may end this very upload

    def _discard(self, size: int) -> None:
        self._rest_bytes += size
        if self._rest_bytes > MOST_REST_BYTES:
            self.transport.abort()

    def _refuse(self, failure: RequestFailure) -> None:
        """Answer an unreadable request and read no more; the answers to earlier requests go first."""
        cycle = self.cycle
        is_owed = cycle is not None and not cycle.response_complete
        if is_owed and cycle.more_body:
            self._disconnect()
            is_owed = bool(self.pipeline)
            if is_owed:
                self.pipeline.popleft()
        if is_owed:
            self._final_answer = self._answer(failure)
            return
        if cycle is None or not (cycle.response_complete and cycle.more_body):
            self.transport.write(self._answer(failure))
        self._end()

    def _close(self) -> None:
        """Close without waiting for a client that does not read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _disconnect(self) -> None:
        """End the request whose body is being received: the rest will not come."""
        self.cycle.more_body = False
        self.cycle.disconnected = True
        self.cycle.message_event.set()

    def _end(self) -> None:
        """Close, after a client that is still sending has had time to read the answer."""
        if self._is_ending or self.transport.is_closing():
            return
        self._is_ending = True
        cycle = self.cycle
        if cycle is not None and cycle.response_complete and not cycle.more_body and not self._unfinished_bytes:
            self.transport.close()
        else:
            self.flow.resume_reading()
            self.transport.write_eof()
        self._settle()

    def _answer(self, failure: RequestFailure) -> bytes:
        """Return a whole answer that closes the connection, in the shape that its path asks for."""
        # The head may not be whole.
        scope = {"path": self.url.decode("latin-1"), "method": (self.scope or {}).get("method", "")}
        response = failure_response(failure, scope)
        response.headers["connection"] = "close"
        headers = [*self.server_state.default_headers, *response.raw_headers]
        status = b"HTTP/1.1 %d %b" % (response.status_code, HTTPStatus(response.status_code).phrase.encode())
        return b"\r\n".join([status, *(b"%b: %b" % header for header in headers), b"", bytes(response.body)])


def _too_large_head() -> RequestFailure:
    limits = f"{MOST_HEADERS} headers, {MOST_LINE_BYTES} bytes in each and {MOST_HEAD_BYTES} in all"
    return RequestFailure(431, f"the head of a request may have {limits}")


def _no_room(reason: str) -> RequestFailure:
    return RequestFailure(503, f"{reason}; ask again in a moment", retry_after_s=1)

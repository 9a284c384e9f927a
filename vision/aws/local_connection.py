"""HTTP to a process of this machine: whole requests and answers over connections that stay open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httptools

_MOST_IDLE = 64


@dataclass
class Answer:
    """An answer as it came."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)


class LocalConnections:
    """The connections to one port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and return its answer. Raises OSError if there is none."""
        lines = [f"{method} {target} HTTP/1.1", f"host: 127.0.0.1:{self._port}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        while self._idle:
            connection = self._idle.pop()
            try:
                return await self._exchange(connection, data)
            except _ClosedBeforeAnswerError:
                # The other side has closed an idle connection, as it may.
                continue
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._port)
        return await self._exchange(connection, data)

    async def _exchange(self, connection: _Connection, data: bytes) -> Answer:
        try:
            answer = await connection.ask(data)
        except BaseException:
            connection.close()
            raise
        if connection.stays_open and len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close the connections that wait."""
        while self._idle:
            self._idle.pop().close()


class _ClosedBeforeAnswerError(OSError):
    pass


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time. The methods ``on_...`` are the parser's."""

    def __init__(self) -> None:
        self.stays_open = True
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()

    async def ask(self, data: bytes) -> Answer:
        if self._transport is None or self._transport.is_closing():
            raise _ClosedBeforeAnswerError("the connection is closed")
        self._answer, self._parser = Answer(), httptools.HttpResponseParser(self)
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(OSError(f"the answer cannot be read: {error}"))
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        begun = bool(self._answer.status or self._answer.headers)
        self._fail(
            OSError("the answer is cut short") if begun else _ClosedBeforeAnswerError("closed without an answer")
        )

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self._answer.body += data

    def on_message_complete(self) -> None:
        self.stays_open = self._parser.should_keep_alive()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._answer)

    def _fail(self, error: OSError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

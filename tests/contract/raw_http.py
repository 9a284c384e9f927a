"""HTTP over a bare socket: requests as no client library would send them, and the answers to them."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from typing import Any

from tests.contract.server_process import ServerProcess

_TIMEOUT_S = 60


@dataclass(frozen=True)
class RawAnswer:
    """``closed`` if the server has ended the connection after it, in an orderly way."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool

    @property
    def sentence(self) -> str:
        return str(json.loads(self.body)["error"])


def connect(server: ServerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=_TIMEOUT_S)


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([line, *headers, "", ""]).encode("latin-1")


def answer_of(connection: socket.socket, *, until_closed: bool = False) -> RawAnswer:
    """The next answer on a connection. Raises ConnectionError if there is none."""
    # Unbuffered, so that the next answer is left where it is.
    stream = connection.makefile("rb", buffering=0)
    line = stream.readline()
    if not line:
        raise ConnectionError("closed without an answer")
    headers = {}
    while (text := stream.readline()) not in (b"\r\n", b""):
        name, _, value = text.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    found = re.match(rb"HTTP/1\.1 (\d{3}) \w", line)
    assert found is not None, line
    body = b""
    while missing := int(headers.get("content-length", "0")) - len(body):
        part = stream.read(missing)
        assert part, "closed within an answer"
        body += part
    return RawAnswer(int(found[1]), headers, body, until_closed and stream.read() == b"")


def send_as_far_as_possible(connection: socket.socket, data: bytes) -> int:
    """Send until all is sent or the server does not take it any more; the bytes that it took."""
    view = memoryview(data)
    sent = 0
    try:
        while sent < len(view):
            sent += connection.send(view[sent : sent + 65536])
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


def ask(server: ServerProcess, request: bytes, **how: Any) -> RawAnswer:
    """The answer to bytes on a connection of their own."""
    with connect(server) as connection:
        connection.sendall(request)
        return answer_of(connection, **how)

"""Refusals reach a client that is still sending, in every mode of connection; and what no client library would send."""

from __future__ import annotations

import json

import pytest

from tests.contract.raw_http import answer_of, ask, connect, head
from tests.contract.server_process import ServerProcess
from tests.serving.small_model import picture

IMAGE = picture(1)
LARGE = bytes(5 << 20)
MODES = {
    "HTTP/1.0": ("HTTP/1.0", ()),
    "keep-alive": ("HTTP/1.1", ("Host: localhost",)),
    "close": ("HTTP/1.1", ("Host: localhost", "Connection: close")),
}
REFUSALS: list[tuple[int, str, tuple[str, ...]]] = [
    (400, "POST /invocations", ("X-Amzn-SageMaker-Custom-Attributes: " + "a" * 1025,)),
    (403, "POST /invocations", ("Origin: http://elsewhere.example",)),
    (404, "POST /nothing", ()),
    (405, "PUT /invocations", ()),
    (406, "POST /invocations", ("Accept: text/csv",)),
    (413, "POST /invocations", ()),
    (414, "POST /" + "x" * 9000, ()),
    (415, "POST /invocations", ("Content-Type: text/csv",)),
    (431, "POST /invocations", ("X-Long: " + "x" * 9000,)),
    (431, "POST /invocations", tuple(f"X-{number}: x" for number in range(120))),
    (431, "POST /invocations", tuple(f"X-{number}: {'x' * 8000}" for number in range(9))),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("status", "line", "headers"), REFUSALS)
def test_a_refusal_reaches_a_client_that_sends_everything_first(
    server: ServerProcess, mode: str, status: int, line: str, headers: tuple[str, ...]
) -> None:
    version, own = MODES[mode]
    request = head(f"{line} {version}", *own, f"Content-Length: {len(LARGE)}", *headers)
    with connect(server) as connection:
        connection.sendall(request)
        connection.sendall(LARGE)
        stays = mode == "keep-alive" and status not in (414, 431)
        found = answer_of(connection, until_closed=not stays)
        assert found.status == status
        assert found.sentence
        assert found.closed == (not stays)
        if stays:
            # The connection is as good as new.
            connection.sendall(head("POST /invocations HTTP/1.1", *own, f"Content-Length: {len(IMAGE)}") + IMAGE)
            assert answer_of(connection).status == 200
        else:
            assert found.headers["connection"] == "close"


@pytest.mark.parametrize("status", [415, 413])
def test_who_waits_for_100_continue_is_refused_before_it_sends(server: ServerProcess, status: int) -> None:
    size, kind = (len(LARGE), "image/jpeg") if status == 413 else (10, "text/csv")
    request = head(
        "POST /invocations HTTP/1.1",
        "Host: localhost",
        "Expect: 100-continue",
        f"Content-Length: {size}",
        f"Content-Type: {kind}",
    )
    # Whether the body still comes is the client's choice, so nothing can follow on this connection.
    assert ask(server, request, until_closed=True).status == status


def test_who_waits_for_100_continue_is_told_and_answered(server: ServerProcess) -> None:
    request = head(
        "POST /invocations HTTP/1.1", "Host: localhost", "Expect: 100-continue", f"Content-Length: {len(IMAGE)}"
    )
    with connect(server) as connection:
        for _ in range(2):
            connection.sendall(request)
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(IMAGE)
            assert answer_of(connection).status == 200


def test_http_1_0_knows_no_100_continue(server: ServerProcess) -> None:
    request = head("POST /invocations HTTP/1.0", "Expect: 100-continue", f"Content-Length: {len(IMAGE)}")
    assert ask(server, request + IMAGE, until_closed=True).status == 200


UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA")


@pytest.mark.parametrize("cut", [0, 40, 260])
@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_offer_to_upgrade_is_answered_in_http_1(server: ServerProcess, protocol: str, cut: int) -> None:
    request = head(
        "POST /invocations HTTP/1.1",
        "Host: localhost",
        *UPGRADE,
        f"Upgrade: {protocol}",
        f"Content-Length: {len(IMAGE)}",
    )
    with connect(server) as connection:
        for _ in range(2):
            connection.sendall((request + IMAGE)[:cut])
            connection.sendall((request + IMAGE)[cut:])
            found = answer_of(connection)
            assert (found.status, len(json.loads(found.body))) == (200, 3)


def test_a_client_that_has_finished_sending_is_answered(server: ServerProcess) -> None:
    request = head("POST /invocations HTTP/1.1", "Host: localhost", f"Content-Length: {len(IMAGE)}")
    for body, status in ((IMAGE, 200), (IMAGE[:-1], 400)):
        with connect(server) as connection:
            connection.sendall(request + body)
            connection.shutdown(1)
            assert answer_of(connection, until_closed=True).status == status


def test_requests_that_come_at_once_are_answered_in_turn(server: ServerProcess) -> None:
    ping = head("GET /ping HTTP/1.1", "Host: localhost")
    image = head("POST /invocations HTTP/1.1", "Host: localhost", f"Content-Length: {len(IMAGE)}") + IMAGE
    nothing = head("GET /nothing HTTP/1.1", "Host: localhost")
    for last, status in ((b"", 0), (b"no HTTP\r\n\r\n", 400), (head("GET /" + "x" * 9000 + " HTTP/1.1"), 414)):
        with connect(server) as connection:
            connection.sendall(image + ping + nothing + image + last)
            assert [answer_of(connection).status for _ in range(4)] == [200, 200, 404, 200]
            if last:
                assert answer_of(connection, until_closed=True).status == status


def test_a_body_that_turns_out_to_be_garbage_is_refused(server: ServerProcess) -> None:
    chunked = head("POST /invocations HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked")
    for body in (b"5\r\nabcdeno size\r\n", b"xyz\r\n", b"5\r\nabcde\r\n0\r\nno trailer\r\n\r\n"):
        assert ask(server, chunked + body, until_closed=True).status == 400


@pytest.mark.parametrize(
    "request_line",
    ["CONNECT elsewhere.example:443 HTTP/1.1", "PRI * HTTP/2.0", "GET / HTTP/9.9", "BREW / HTTP/1.1"],
)
def test_what_is_no_request_for_a_server_is_refused(server: ServerProcess, request_line: str) -> None:
    found = ask(server, head(request_line, "Host: localhost"), until_closed=True)
    assert found.status == (405 if request_line.startswith("CONNECT") else 400)
    assert found.sentence


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Content-Length: 3", "Content-Length: 5"),
        ("Transfer-Encoding: chunked, identity",),
    ],
)
def test_a_body_of_two_lengths_is_refused(server: ServerProcess, headers: tuple[str, ...]) -> None:
    request = head("POST /invocations HTTP/1.1", "Host: localhost", *headers)
    assert ask(server, request + b"abc", until_closed=True).status == 400

"""Who may ask: Host and Origin on a loopback address, and the token."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import Response

from tests.serving.asgi import Answered, post, whole
from vision.serving.access_control import AccessControl
from vision.serving.settings import ServingSettings
from vision.settings.errors import SettingsError


def ask(settings: dict[str, Any], headers: dict[str, str], path: str = "/invocations") -> Answered:
    guarded = AccessControl(Response(b"in"), ServingSettings.parse({"model": "m", **settings}))
    return asyncio.run(post(guarded, whole(b""), path, **headers))


LOOPBACK: dict[str, Any] = {"host": "127.0.0.1"}
WIDE = {"host": "0.0.0.0"}
NAMED = {"hosts": "Api.Example.com"}


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        # Clients that are no browser: curl, boto3, nginx with its default Host, containers, HTTP/1.0.
        (LOOPBACK, {"host": "127.0.0.1:8080"}, 200),
        (LOOPBACK, {"host": "localhost:8080"}, 200),
        (LOOPBACK, {"host": "LocalHost."}, 200),
        (LOOPBACK, {"host": "[::1]:8080"}, 200),
        (LOOPBACK, {"host": "192.168.0.7"}, 200),
        (LOOPBACK, {"host": "upstream"}, 200),
        (LOOPBACK, {"host": "host.docker.internal:8080"}, 200),
        (LOOPBACK, {}, 200),
        # Names that a stranger could let point here.
        (LOOPBACK, {"host": "evil.example"}, 403),
        (LOOPBACK, {"host": "127.0.0.1.evil.example:8080"}, 403),
        (LOOPBACK, {"host": "localhost.evil.example"}, 403),
        (LOOPBACK, {"host": ""}, 403),
        ({"host": "localhost"}, {"host": "evil.example"}, 403),
        ({"host": "::1"}, {"host": "evil.example"}, 403),
        ({"host": "127.3.2.1"}, {"host": "evil.example"}, 403),
        # Pages.
        (LOOPBACK, {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, 200),
        (LOOPBACK, {"host": "localhost:8080", "origin": "http://127.0.0.1:8080"}, 403),
        (LOOPBACK, {"host": "localhost:8080", "origin": "http://localhost:3000"}, 403),
        (LOOPBACK, {"host": "localhost:8080", "origin": "https://evil.example"}, 403),
        (LOOPBACK, {"host": "localhost:8080", "origin": "null"}, 403),
        (LOOPBACK, {"origin": "null"}, 403),
        # What a proxy passes on.
        (NAMED, {"host": "api.example.com"}, 200),
        (NAMED, {"host": "127.0.0.1:8080", "origin": "https://api.example.com"}, 200),
        (NAMED, {"host": "api.example.com.evil.example"}, 403),
        ({**WIDE, **NAMED}, {"host": "evil.example"}, 403),
        # A container is reached under any name.
        (WIDE, {"host": "evil.example", "origin": "https://evil.example"}, 200),
    ],
)
def test_pages_of_elsewhere_are_refused(settings: dict[str, Any], headers: dict[str, str], status: int) -> None:
    for path in ("/invocations", "/ping", "/metrics", "/models"):
        answered = ask(settings, headers, path)
        assert answered.status == status
        assert (answered.body == b"in") == (status == 200)


TOKEN = {"host": "0.0.0.0", "token": "s3cret"}


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        (TOKEN, {"authorization": "Bearer s3cret"}, 200),
        (TOKEN, {"authorization": "bearer  s3cret"}, 200),
        (TOKEN, {}, 401),
        (TOKEN, {"authorization": "Bearer s3cre"}, 401),
        (TOKEN, {"authorization": "Bearer s3crets"}, 401),
        (TOKEN, {"authorization": "Bearer "}, 401),
        (TOKEN, {"authorization": "Basic s3cret"}, 401),
        (TOKEN, {"authorization": "Bearer \xe9"}, 401),
        ({**TOKEN, **LOOPBACK}, {"authorization": "Bearer s3cret", "host": "evil.example"}, 200),
        ({**TOKEN, **LOOPBACK}, {"host": "localhost"}, 401),
    ],
)
def test_a_token_is_asked_of_all_but_ping(settings: dict[str, Any], headers: dict[str, str], status: int) -> None:
    for path in ("/invocations", "/metrics", "/models", "/endpoints/a/invocations"):
        answered = ask(settings, headers, path)
        assert answered.status == status
        assert (answered.headers.get("www-authenticate") == "Bearer") == (status == 401)
    assert ask(settings, headers, "/ping").status == 200


def test_a_page_of_elsewhere_cannot_even_ping_a_server_with_a_token() -> None:
    assert ask({**TOKEN, **LOOPBACK}, {"host": "evil.example"}, "/ping").status == 403


@pytest.mark.parametrize("token", ["two words", "\u00e9", "a\tb"])
def test_a_token_that_cannot_be_sent_is_refused(token: str) -> None:
    with pytest.raises(SettingsError, match="which a header cannot carry"):
        ServingSettings.parse({"model": "m", "token": token})

"""Access control: refuses web pages of other sites on a server for its own machine, and requests without the token.

A browser on this machine reaches the loopback address for every page that it shows. Such a page's requests name its
own origin, and if its name was made to point here (DNS rebinding), that name as the host.
"""

from __future__ import annotations

import functools
import hmac
import ipaddress
from collections.abc import Iterable
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from vision.serving.request_failure import RequestFailure, failure_response
from vision.settings.nearest import shown

# Top-level names that nobody can register.
_PRIVATE_ENDINGS = (".localhost", ".internal")


class Doors(Protocol):
    """What access depends on: the server's address, further host names that are allowed, and a token to send."""

    @property
    def host(self) -> str: ...

    @property
    def hosts(self) -> tuple[str, ...]: ...

    @property
    def token(self) -> str | None: ...


class AccessControl:
    """Passes allowed requests on to ``app`` and refuses the others."""

    def __init__(self, app: ASGIApp, settings: Doors) -> None:
        self._app = app
        self._hosts = frozenset(name.lower() for name in settings.hosts)
        self._asks_for_host = bool(self._hosts) or _is_loopback(settings.host)
        self._token = None if settings.token is None else settings.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        failure = self._problem(scope["method"], scope["path"], scope["headers"]) if scope["type"] == "http" else None
        if failure is None:
            await self._app(scope, receive, send)
            return
        response = failure_response(failure, scope)
        if failure.status == 401:
            response.headers["www-authenticate"] = "Bearer"
        await response(scope, receive, send)

    def _problem(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> RequestFailure | None:
        """Return why a request is refused, or None."""
        found: dict[bytes, list[str]] = {b"host": [], b"origin": [], b"authorization": []}
        for name, value in headers:
            if name in found:
                found[name].append(value.decode("latin-1"))
        if self._token is not None:
            # Compared in constant time. A foreign page does not know the token.
            if any(hmac.compare_digest(_bearer(text), self._token) for text in found[b"authorization"]):
                return None
            # Platforms ask for /ping without a token, and the page itself asks its user for it.
            if path != "/ping" and (method, path) != ("GET", "/"):
                return RequestFailure(401, "who asks here has to send the server's token: Authorization: Bearer TOKEN")
        return self._foreign(found[b"host"], found[b"origin"]) if self._asks_for_host else None

    def _foreign(self, hosts: list[str], origins: list[str]) -> RequestFailure | None:
        if len(hosts) > 1:
            return RequestFailure(400, "the request has more than one Host")
        # A browser always sends one.
        host = hosts[0].lower() if hosts else ""
        name = host_name(host)
        if hosts and not (name in self._hosts or is_private(name)):
            return RequestFailure(
                403,
                f"Host is {shown(host)}, but this server answers under names of its own machine: let the proxy in"
                " front of it send such a name, or start it with hosts=NAME",
            )
        for origin in origins:
            authority = origin.lower().partition("://")[2]
            if not authority or (authority != host and host_name(authority) not in self._hosts):
                return RequestFailure(
                    403, f"Origin is {shown(origin)}, but this server does not answer web pages of elsewhere"
                )
        return None


def host_name(authority: str) -> str:
    """Return the name or address in ``NAME:PORT`` or ``[ADDRESS]:PORT``."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0].rstrip(".")


@functools.lru_cache(maxsize=256)
def is_private(name: str) -> bool:
    """Return whether no foreign web page can have this name: it is an address, or not a name of the internet."""
    if not name:
        return False
    # Containers and proxies use names of a single word.
    return "." not in name or name.endswith(_PRIVATE_ENDINGS) or _address(name) is not None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _bearer(text: str) -> bytes:
    scheme, _, token = text.partition(" ")
    return token.strip().encode("latin-1") if scheme.lower() == "bearer" else b""

"""Heartbeats between the machines of a job, to notice when one of them is gone.

Every machine keeps a connection to the first one, and both ends send a heartbeat every second: a machine that is
stopped, or behind a network that is gone, closes no connection. DDP by itself does not say which machine is lost.
"""

from __future__ import annotations

import logging
import selectors
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

from vision.sagemaker.hosts import Hosts
from vision.settings.errors import UserError

log = logging.getLogger(__name__)

_RETRY_S = 1.0
_CONNECT_TIMEOUT_S = 10.0
_BEAT_EVERY_S = 1.0
_DRAIN_S = 2.0
_BEAT, _DONE, _LOST = b"beat", b"done", b"lost "
_LONGEST_NAME = 255
_READ_BYTES = 1 << 12
# The kernel closes a connection whose other end acknowledges nothing for this time, as after a loss of power.
_UNANSWERED_MS = 40_000


@dataclass
class _Peer:
    """The other end of a connection; ``heard_s`` is the time of its last message."""

    connection: socket.socket
    heard_s: float
    received: bytes = b""
    done: bool = False
    gone: bool = False


@dataclass(frozen=True)
class LostMachine:
    """A machine that closed its connection (``silent_s`` is None) or was silent for that many seconds."""

    name: str
    silent_s: float | None = None


class PeerConnection:
    """Connections of this machine to its peers; the first machine listens on ``port``. A single machine has none.

    A machine that is silent for ``timeout_s`` is lost.
    """

    def __init__(self, hosts: Hosts, port: int, timeout_s: float) -> None:
        self.hosts = hosts
        self.port = port
        self.timeout_s = timeout_s
        self._peers: dict[str, _Peer] = {}
        self._beaten_s = 0.0

    def connect(self) -> None:
        """Wait until all machines are connected. Raises UserError naming those that did not connect in time."""
        if len(self.hosts.names) == 1:
            return
        if self.hosts.current == self.hosts.master:
            self._await_all()
        else:
            self._call_master()
        log.info("machines of this job: %s", ", ".join(self.hosts.names))

    def lost(self, silence_s: float | None = None) -> LostMachine | None:
        """Return a machine that is gone before its work was done, or None. Call this several times a second.

        ``silence_s`` replaces ``timeout_s`` when there is another sign that a machine is gone.
        """
        self._beat()
        reported = [name for name in map(self._listen, self._peers.values()) if name is not None]
        if reported:
            return LostMachine(reported[0])
        now = time.monotonic()
        for name, peer in self._peers.items():
            if peer.done:
                continue
            silent_s = now - peer.heard_s
            if peer.gone:
                return LostMachine(name)
            if silent_s >= (self.timeout_s if silence_s is None else silence_s):
                return LostMachine(name, silent_s)
        return None

    def report_lost(self, lost: str) -> None:
        """Send the others the name of the lost machine; otherwise they would blame this one when it ends."""
        for name, peer in self._peers.items():
            if name != lost:
                _send(peer, _LOST + lost.encode())

    def finish(self, *, in_order: bool) -> None:
        """Close the connections. Without the word "done" before it, the others take the end for a failure.

        Waits for two seconds at most until the others have closed their ends too.
        """
        connections = [peer.connection for peer in self._peers.values()]
        for peer in self._peers.values():
            if in_order:
                _send(peer, _DONE)
            with suppress(OSError):
                peer.connection.shutdown(socket.SHUT_WR)
        self._peers = {}
        _drain(connections)
        for connection in connections:
            connection.close()

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten_s >= _BEAT_EVERY_S:
            self._beaten_s = now
            for peer in self._peers.values():
                if not peer.done:
                    _send(peer, _BEAT)

    def _listen(self, peer: _Peer) -> str | None:
        """Read what the peer has sent; return the name of a machine that it reports as lost, or None."""
        try:
            while not peer.gone and not peer.done:
                received = peer.connection.recv(_READ_BYTES)
                peer.gone = not received
                peer.heard_s = time.monotonic()
                *words, peer.received = (peer.received + received).split(b"\n")
                if _DONE in words:
                    peer.done = True
                    # The other machine waits for this end of the connection before it closes its own.
                    peer.connection.shutdown(socket.SHUT_WR)
                for word in words:
                    name = word.removeprefix(_LOST).decode("utf-8", "replace")
                    if word.startswith(_LOST) and name in self.hosts.names:
                        return name
                if len(peer.received) > _LONGEST_NAME + len(_LOST):
                    peer.gone = True
        except BlockingIOError:
            pass
        except OSError:
            peer.gone = True
        return None

    def _await_all(self) -> None:
        deadline = time.monotonic() + self.timeout_s
        missing = set(self.hosts.names) - {self.hosts.current}
        with socket.create_server(("", self.port)) as server:
            while missing:
                server.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    peer, _ = server.accept()
                    peer.settimeout(_CONNECT_TIMEOUT_S)
                    name = peer.makefile("rb").readline(_LONGEST_NAME + 1).decode("utf-8", "replace").strip()
                except TimeoutError:
                    if time.monotonic() < deadline:
                        continue
                    raise UserError(
                        f"machine {', '.join(sorted(missing))} did not call machine {self.hosts.current} within "
                        f"{self.timeout_s:g} s (run.stall_timeout_s); see its log, or allow more time"
                    ) from None
                if name in missing:
                    missing.discard(name)
                    self._keep(name, peer)
                else:
                    peer.close()

    def _call_master(self) -> None:
        deadline = time.monotonic() + self.timeout_s
        master = self.hosts.master
        while True:
            try:
                # The names of machines may not resolve yet, and the first machine may still be starting.
                peer = socket.create_connection((master, self.port), _CONNECT_TIMEOUT_S)
                peer.sendall(f"{self.hosts.current}\n".encode())
            except OSError as error:
                if time.monotonic() > deadline:
                    raise UserError(
                        f"machine {self.hosts.current} cannot reach machine {master} at port {self.port} within "
                        f"{self.timeout_s:g} s ({error}); see the log of {master}, and allow traffic between the "
                        f"machines of the job (security group)"
                    ) from error
                time.sleep(_RETRY_S)
                continue
            self._keep(master, peer)
            return

    def _keep(self, name: str, connection: socket.socket) -> None:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MS)
        connection.setblocking(False)
        self._peers[name] = _Peer(connection, time.monotonic())


def _drain(connections: list[socket.socket]) -> None:
    """Read what still comes until each has ended: closed with bytes unread, a connection resets and may lose "done"."""
    deadline = time.monotonic() + _DRAIN_S
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        while selector.get_map() and (left_s := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                try:
                    has_ended = not key.fileobj.recv(_READ_BYTES)  # type: ignore[union-attr]
                except OSError:
                    has_ended = True
                if has_ended:
                    selector.unregister(key.fileobj)


def _send(peer: _Peer, word: bytes) -> None:
    # A broken or full connection is noticed when it is read.
    with suppress(OSError):
        peer.connection.sendall(word + b"\n")

"""A connection between the machines of a job, only to know when one of them is gone.

Every machine keeps a connection to the first one. DDP by itself notices a lost machine late, and does not say which.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress

from vision.sagemaker.hosts import Hosts
from vision.settings.errors import UserError

log = logging.getLogger(__name__)

_RETRY_S = 1.0
_CONNECT_TIMEOUT_S = 10.0
_DONE = b"done\n"
_LONGEST_NAME = 255
# A machine without power sends no farewell: probes after 10 s, three of them 10 s apart.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


class MachineLine:
    """``port`` of the first machine takes the others' connections. One machine alone has no line."""

    def __init__(self, hosts: Hosts, port: int, timeout_s: float) -> None:
        self.hosts = hosts
        self.port = port
        self.timeout_s = timeout_s
        self._peers: dict[str, socket.socket] = {}
        self._done: set[str] = set()

    def connect(self) -> None:
        """Wait until all machines are there. Raises UserError naming those that do not come in time."""
        if len(self.hosts.names) == 1:
            return
        if self.hosts.current == self.hosts.master:
            self._await_all()
        else:
            self._call_master()
        log.info("machines of this job: %s", ", ".join(self.hosts.names))

    def lost(self) -> str | None:
        """Name of a machine whose connection ended before it said that it was done."""
        for name, peer in self._peers.items():
            if name in self._done:
                continue
            try:
                received = peer.recv(len(_DONE))
            except BlockingIOError:
                continue
            except OSError:
                return name
            if received != _DONE:
                return name
            self._done.add(name)
        return None

    def finish(self, *, in_order: bool) -> None:
        """Say good-bye; after a failure the connection ends without a word, which tells the others."""
        for peer in self._peers.values():
            with suppress(OSError):
                if in_order:
                    peer.sendall(_DONE)
                peer.close()

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
                # Names of machines resolve late, and the first one may still be starting.
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

    def _keep(self, name: str, peer: socket.socket) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            peer.setsockopt(socket.IPPROTO_TCP, option, value)
        peer.setblocking(False)
        self._peers[name] = peer

"""Starts one process for each GPU of this machine, with torchrun's environment variables.

The processes train by PyTorch's DDP; this only starts them, passes signals on, and ends them all when one is lost.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType

from vision.sagemaker.exit_status import PEER_LOST, Stopped, fail
from vision.sagemaker.hosts import Hosts
from vision.sagemaker.peer_connection import LostMachine, PeerConnection
from vision.sagemaker.prefix import VARIABLE, Prefix
from vision.settings.errors import UserError
from vision.settings.run import RunSettings

log = logging.getLogger(__name__)

PORT_VARIABLE = "MASTER_PORT"
DEFAULT_PORT = 29400
# The port after this one is used too.
_LAST_PORT = 65534
_POLL_S = 0.2
# Processes that notice the loss of another may use this time to save their state.
_GRACE_S = 30.0
# DDP notices a lost process at once; its launcher may take a moment to end or to fall silent.
_LOSS_SEEN_S = 15.0
_SUSPECT_AFTER_S = 5.0
# NCCL aborts a process that has waited too long for others.
_BLAMES_OTHERS = (PEER_LOST, -signal.SIGABRT)


@dataclass(frozen=True)
class Launcher:
    """Runs ``processes`` on this machine, which is one of ``hosts``."""

    hosts: Hosts
    processes: int
    timeout_s: float
    port: int

    @classmethod
    def plan(cls, hosts: Hosts, processes: int, run: RunSettings, environ: Mapping[str, str]) -> Launcher:
        """Return the launcher of a job. ``MASTER_PORT`` may replace port 29400; the port after it is used too.

        Raises UserError for a ``MASTER_PORT`` that is no such port.
        """
        given = environ.get(PORT_VARIABLE) or str(DEFAULT_PORT)
        if not (given.isascii() and given.isdigit() and len(given) < 6 and 1 <= int(given) <= _LAST_PORT):
            raise UserError(f"{PORT_VARIABLE}={given!r} is no port; allowed are numbers from 1 to {_LAST_PORT}")
        return cls(hosts, processes, run.stall_timeout_s, int(given))

    def run(self, prefix: Prefix) -> int:
        """Start the processes, wait for their end and return the first status that is not 0.

        Raises UserError if the job's ports are taken, and if another machine does not come or is lost.
        """
        if self.hosts.current == self.hosts.master:
            self._refuse_taken_ports()
        peers = PeerConnection(self.hosts, self.port + 1, self.timeout_s)
        peers.connect()
        command = [sys.executable, "-m", "vision.sagemaker.process"]
        children = [subprocess.Popen(command, env=self.environment(rank, prefix)) for rank in range(self.processes)]

        def pass_on(signum: int, frame: FrameType | None) -> None:
            for child in children:
                child.send_signal(signum)

        signal.signal(signal.SIGTERM, pass_on)
        in_order = False
        try:
            status = self._watch(children, peers)
            # All machines are stopped together; the first to end is not a loss.
            in_order = status in (0, Stopped.status)
        finally:
            # First, so that the other machines need not wait while processes end here.
            peers.finish(in_order=in_order)
            _end(children)
        if not in_order and not prefix.failure.exists():
            # The process was killed, or ended before it could write a reason.
            text = f"Algorithm Error: a process of machine {self.hosts.current} ended with status {status}; see the log"
            return fail(prefix.failure, text, status)
        return status

    def environment(self, local_rank: int, prefix: Prefix) -> dict[str, str]:
        """Return the environment of one process, with variables named as torchrun names them."""
        machines = len(self.hosts.names)
        names = {
            VARIABLE: str(prefix.path),
            "MASTER_ADDR": self.hosts.master if machines > 1 else "127.0.0.1",
            PORT_VARIABLE: str(self.port),
            "WORLD_SIZE": str(machines * self.processes),
            "LOCAL_WORLD_SIZE": str(self.processes),
            "RANK": str(self.hosts.rank * self.processes + local_rank),
            "LOCAL_RANK": str(local_rank),
            "NODE_RANK": str(self.hosts.rank),
        }
        interface = self.hosts.interface
        if machines > 1 and interface in {name for _, name in socket.if_nameindex()}:
            assert interface is not None
            names |= {"GLOO_SOCKET_IFNAME": interface, "NCCL_SOCKET_IFNAME": interface}
        return {**os.environ, **names}

    def _refuse_taken_ports(self) -> None:
        for port in (self.port, self.port + 1):
            try:
                socket.create_server(("", port)).close()
            except OSError as error:
                raise UserError(
                    f"port {port} of machine {self.hosts.current}, at which the processes of the job meet, cannot be "
                    f"used ({error.strerror}); end what listens there, or set {PORT_VARIABLE} to another port on every "
                    f"machine of the job (the port after it must be free too)"
                ) from error

    def _watch(self, children: list[subprocess.Popen[bytes]], peers: PeerConnection) -> int:
        """Return the status of the first process that failed by itself, or 0. Raises UserError if a peer was lost."""
        blamed_s: float | None = None
        while True:
            statuses = [child.poll() for child in children]
            failed = [status for status in statuses if status]
            own = [status for status in failed if status not in _BLAMES_OTHERS]
            if own:
                # A signal shows as a negative status.
                return own[0] if own[0] > 0 else 128 - own[0]
            if all(status == 0 for status in statuses):
                return 0
            if failed and blamed_s is None:
                blamed_s = time.monotonic()
            lost = peers.lost(None if blamed_s is None else min(_SUSPECT_AFTER_S, self.timeout_s / 2))
            if lost is not None:
                peers.report_lost(lost.name)
                raise UserError(self._loss(lost))
            if blamed_s is not None and time.monotonic() - blamed_s > _LOSS_SEEN_S:
                raise UserError(
                    f"a process of the job is gone, or has given nothing for {self.timeout_s:g} s "
                    f"(run.stall_timeout_s), as machine {self.hosts.current} sees it; see the logs of the job's "
                    f"machines ({', '.join(self.hosts.names)}). A restarted job goes on from the last checkpoint"
                )
            time.sleep(_POLL_S)

    def _loss(self, lost: LostMachine) -> str:
        if lost.silent_s is None:
            return (
                f"machine {lost.name} has left the job before its end, so machine {self.hosts.current} ends too; see "
                f"{lost.name}'s log for the reason. A restarted job goes on from the last checkpoint"
            )
        return (
            f"machine {lost.name} has said nothing to machine {self.hosts.current} for {lost.silent_s:.0f} s "
            f"(run.stall_timeout_s is {self.timeout_s:g}): it is stopped, or the network between them is cut; see to "
            f"both. A restarted job goes on from the last checkpoint"
        )


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    """Terminate the processes that still run; kill those that do not end in time."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + _GRACE_S
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

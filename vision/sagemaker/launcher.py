"""One process for each GPU of this machine, in the environment that torchrun gives, together with the other machines.

The processes work by PyTorch's DDP; this only starts them, passes signals on, and ends them all when one is lost.
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

from vision.sagemaker.ending import Stopped, fail
from vision.sagemaker.hosts import Hosts
from vision.sagemaker.machine_line import MachineLine
from vision.sagemaker.prefix import VARIABLE, Prefix
from vision.settings.errors import UserError
from vision.settings.run import RunSettings

log = logging.getLogger(__name__)

PORT_VARIABLE = "MASTER_PORT"
DEFAULT_PORT = 29400
_POLL_S = 0.2
# The others of a machine see a lost one by themselves; then they may save what they have.
_GRACE_S = 30.0
_LOSS_SEEN_S = 3.0


@dataclass(frozen=True)
class Launcher:
    """``processes`` of this machine, which is one of ``hosts``."""

    hosts: Hosts
    processes: int
    timeout_s: float
    port: int

    @classmethod
    def plan(cls, hosts: Hosts, processes: int, run: RunSettings, environ: Mapping[str, str]) -> Launcher:
        """What to start for a job. ``MASTER_PORT`` may name another port than 29400; the next one is used too."""
        return cls(hosts, processes, run.stall_timeout_s, int(environ.get(PORT_VARIABLE) or DEFAULT_PORT))

    def run(self, prefix: Prefix) -> int:
        """Start the processes and wait for their end. Returns the first status that is not 0."""
        line = MachineLine(self.hosts, self.port + 1, self.timeout_s)
        line.connect()
        command = [sys.executable, "-m", "vision.sagemaker.process"]
        children = [subprocess.Popen(command, env=self.environment(rank, prefix)) for rank in range(self.processes)]

        def pass_on(signum: int, frame: FrameType | None) -> None:
            for child in children:
                child.send_signal(signum)

        signal.signal(signal.SIGTERM, pass_on)
        try:
            status = self._watch(children, line)
        finally:
            _end(children)
        # Machines stop together; that one of them is the first to be gone is no loss.
        in_order = status in (0, Stopped.status)
        line.finish(in_order=in_order)
        if not in_order and not prefix.failure.exists():
            # Killed, or gone before it could say anything.
            text = f"Algorithm Error: a process of machine {self.hosts.current} ended with status {status}; see the log"
            return fail(prefix.failure, text, status)
        return status

    def environment(self, local_rank: int, prefix: Prefix) -> dict[str, str]:
        """The variables of one process, named as torchrun names them."""
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

    def _watch(self, children: list[subprocess.Popen[bytes]], line: MachineLine) -> int:
        while True:
            statuses = [child.poll() for child in children]
            failed = next((status for status in statuses if status), None)
            if failed is not None:
                if failed != Stopped.status:
                    # DDP may see the loss of a machine first, but cannot say which it was.
                    self._raise_if_lost(line, _LOSS_SEEN_S)
                # A signal shows as a negative status.
                return failed if failed > 0 else 128 - failed
            if all(status == 0 for status in statuses):
                return 0
            self._raise_if_lost(line, 0.0)
            time.sleep(_POLL_S)

    def _raise_if_lost(self, line: MachineLine, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while True:
            lost = line.lost()
            if lost is not None:
                raise UserError(
                    f"machine {lost} has left the job before its end, so machine {self.hosts.current} ends too; see "
                    f"{lost}'s log for the reason. A restarted job goes on from the last checkpoint"
                )
            if time.monotonic() >= deadline or len(self.hosts.names) == 1:
                return
            time.sleep(_POLL_S)


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    """End what still runs, at first politely."""
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

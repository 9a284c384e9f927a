"""A process that does some work when it is asked to, and stands still in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"


class ContestantFailedError(Exception):
    """A contestant ended; what it had to say is on stderr."""


@dataclass(frozen=True)
class Times:
    """Of one request: on the clock, and of all cores together in the contestant's processes."""

    wall_s: float
    cpu_s: float


class Contestant:
    """Runs ``peers/<script>`` with a job, in an environment of its own. A context: leaving it ends the process.

    Between two requests the process and its children are stopped, so that prefetching never runs on the other side's
    time. ``cores`` are those it may use; a GPU is hidden from it unless ``gpu``.
    """

    def __init__(
        self,
        script: str,
        job: dict[str, Any],
        *,
        threads: int,
        cores: int,
        python: str = sys.executable,
        gpu: bool = False,
    ) -> None:
        self.script = script
        settings = {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": str(threads),
            **({} if gpu else {"CUDA_VISIBLE_DEVICES": ""}),
            "NO_ALBUMENTATIONS_UPDATE": "1",
        }
        self._process = subprocess.Popen(
            [python, str(PEERS / script), json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **settings},
            start_new_session=True,
            preexec_fn=lambda: _keep_to(cores),
        )
        self.versions: dict[str, str] = self._read()["versions"]
        self._signal(signal.SIGSTOP)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait()

    def work(self, batches: int) -> Times:
        """Have so many batches made."""
        before = _cpu_seconds(self._process.pid)
        self._signal(signal.SIGCONT)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{batches}\n".encode())
        self._process.stdin.flush()
        seconds = self._read()["seconds"]
        self._signal(signal.SIGSTOP)
        return Times(seconds, _cpu_seconds(self._process.pid) - before)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ContestantFailedError(f"{self.script} ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)


def _keep_to(cores: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process and its living children, so far; 0 where there is no /proc."""
    try:
        children: Sequence[str] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except FileNotFoundError:
        return 0.0
    own = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu_seconds(int(child)) for child in children)

"""Starts the server: one worker in this process, or several in processes of their own that share one port."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

from vision.artifacts.model_place import look_at_model
from vision.serving.metrics import Metrics, shared_bytes
from vision.serving.server import FAILED, PLAN_VARIABLE, run_worker
from vision.serving.settings import ServingSettings
from vision.serving.signalled_server import SIGNALS
from vision.settings.device import VISIBLE, shared_gpus
from vision.settings.errors import UserError

log = logging.getLogger(__name__)

_BACKLOG = 2048
_LOOK_S = 0.1
# A worker that has ended sooner than this, this many times in a row, is not started again.
_SHORT_LIFE_S = 30.0
_MOST_SHORT_LIVES = 3


def serve(settings: ServingSettings) -> int:
    """Serve until SIGTERM or SIGINT and return the exit status. Raises UserError for a bad model or a taken port."""
    if not (settings.multi_model or settings.only_searches):
        look_at_model(settings.model)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    workers = settings.worker_count()
    shown = f"[{host}]" if ":" in host else host
    log.info("vision: serving %s on http://%s:%d with %d worker(s)", settings.model, shown, port, workers)
    if workers == 1:
        return run_worker(settings, listener, Metrics(), answer_early=True)
    return _Supervisor(settings, listener, workers).run()


def _listen(settings: ServingSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise UserError(
            f"port {settings.port} of {settings.host} cannot be listened on ({error.strerror}); give another port=N"
        ) from error
    listener.listen(_BACKLOG)
    return listener


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    started_s: float = field(default_factory=time.monotonic)
    short_lives: int = 0


class _Supervisor:
    """Keeps the workers running and passes SIGTERM and SIGINT on to them. It holds no model itself."""

    def __init__(self, settings: ServingSettings, listener: socket.socket, workers: int) -> None:
        self._settings = settings
        self._listener = listener
        self._gpus = shared_gpus(settings.device)
        self._memory = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as this
        self._memory.truncate(shared_bytes(workers))
        self._is_ending = False
        self._count = workers
        # Only the first answers before it is ready; the others leave the connections to it.
        self._workers = [_Worker(self._start(index, answer_early=index == 0)) for index in range(workers)]

    def run(self) -> int:
        for number in SIGNALS:
            signal.signal(number, self._end)
        status = 0
        while any(worker.process.poll() is None for worker in self._workers):
            if not self._is_ending:
                status = max(status, self._replace_ended())
            time.sleep(_LOOK_S)
        return status or max((abs(worker.process.returncode) for worker in self._workers), default=0)

    def _end(self, number: int = signal.SIGTERM, frame: object = None) -> None:
        self._is_ending = True
        # The port closes with the last process that holds it; kept open here, it would accept connections in vain.
        self._listener.close()
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGTERM)

    def _replace_ended(self) -> int:
        """Restart each worker that has ended by itself; return the exit status if restarting does not help, else 0."""
        for index, worker in enumerate(self._workers):
            status = worker.process.poll()
            if status is None:
                continue
            life_s = time.monotonic() - worker.started_s
            short_lives = worker.short_lives + 1 if life_s < _SHORT_LIFE_S else 0
            if status == FAILED or short_lives >= _MOST_SHORT_LIVES:
                self._end()
                return FAILED
            log.error("vision: worker %d ended with status %d after %.0f s; another starts", index, status, life_s)
            Metrics(self._count, index, self._memory.fileno()).forget_gauges()
            process = self._start(index, answer_early=False)
            self._workers[index] = _Worker(process, short_lives=short_lives)
        return 0

    def _start(self, index: int, *, answer_early: bool) -> subprocess.Popen[bytes]:
        environment = dict(os.environ)
        if self._gpus:
            environment[VISIBLE] = self._gpus[index % len(self._gpus)]
        descriptors = (self._listener.fileno(), self._memory.fileno())
        plan = {
            "settings": self._settings.to_strings(),
            "listener": descriptors[0],
            "metrics": descriptors[1],
            "workers": self._count,
            "worker": index,
            "answer_early": answer_early,
        }
        # Other users can read the command line of a process, and the settings may contain a token.
        environment[PLAN_VARIABLE] = json.dumps(plan)
        command = [sys.executable, "-m", "vision.serving.server"]
        # The pipe closes when this process ends, however it ends, and the worker notices.
        return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=descriptors)

"""One worker process: the HTTP server around a service, from its start to its shutdown.

Run as ``python -m vision.serving.server`` by the supervisor, where there are several.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vision.data.allocation import keep_large_blocks, return_freed_memory
from vision.serving.access_control import AccessControl
from vision.serving.connections import KEEP_ALIVE_S, ConnectionLimits, Connections
from vision.serving.guarded_protocol import GuardedProtocol
from vision.serving.metrics import Metrics
from vision.serving.request_failure import RequestFailure, failure_response
from vision.serving.settings import ServingSettings
from vision.serving.signalled_server import SignalledServer
from vision.settings.errors import UserError

if TYPE_CHECKING:
    from vision.serving.service import Service

log = logging.getLogger(__name__)

FAILED = 2
# The environment variable with a worker's settings, as JSON.
PLAN_VARIABLE = "VISION_WORKER_PLAN"
# Freed memory that is kept: what a network needs for a batch of usual size.
_KEPT_BYTES = 1 << 29
# After the signal, requests that were on their way still come in over connections that exist.
_LINGER_S = 0.5


class StartupApp:
    """Answers 503 while the model is loading, then hands every request to ``app``, which is set when it has loaded."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        loading = RequestFailure(503, "the model is still being loaded; ask again in a moment", retry_after_s=1)
        response = Response(status_code=503) if scope["path"] == "/ping" else failure_response(loading, scope)
        await response(scope, receive, send)


class Server(SignalledServer):
    """On SIGTERM or SIGINT it accepts no new connections, answers all requests received so far, and returns."""

    def __init__(self, settings: ServingSettings, metrics: Metrics) -> None:
        self.service: Service | None = None
        self.problem: str | None = None
        self._settings = settings
        self._metrics = metrics
        self._startup = StartupApp()
        limits = ConnectionLimits(
            settings.connection_count(), settings.head_timeout_s, settings.max_requests * settings.max_payload_bytes
        )
        self._connections = Connections(limits, metrics)
        protocol: Any = functools.partial(GuardedProtocol, self._connections)
        config = uvicorn.Config(
            AccessControl(self._startup, settings),
            http=protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(settings.drain_s - _LINGER_S)),
        )
        super().__init__(config)

    def load(self) -> None:
        """Import torch, load the model and let it answer a first image. A problem ends the server."""
        started = time.monotonic()
        try:
            self._connections.fit_open_files()
            from vision.serving.app import build_app
            from vision.serving.service import Service

            self.service = Service(self._settings, self._metrics, self._connections.places_for_work)
            # The model has opened files of its own.
            self._connections.fit_open_files()
            self._startup.app = build_app(self.service)
        except UserError as error:
            self.problem = str(error)
        except Exception as error:
            log.exception("the model cannot be served")
            self.problem = f"{self._settings.model} cannot be served: {type(error).__name__}: {error}"
        if self.problem is not None:
            self.should_exit = True
            return
        # Loading a model takes more memory than the model itself.
        return_freed_memory()
        log.info("vision: ready after %.1f s", time.monotonic() - started)

    def answer(self, listener: socket.socket) -> int:
        """Serve until a signal or a problem comes and return the exit status."""
        self.run([listener])
        if self.problem is not None:
            print(f"vision: {self.problem}", file=sys.stderr, flush=True)
        return 0 if self.problem is None else FAILED

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and close those that wait too long."""
        await super().startup(sockets)
        self._watch = asyncio.create_task(self._connections.watch())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, wait for requests on their way and for the last answer."""
        for server in self.servers:
            server.close()
        if self.service is not None:
            log.info("vision: ending; %d requests are still in work", self.service.in_work)
            self.service.is_draining = True
            await asyncio.sleep(_LINGER_S)
        await super().shutdown(sockets)
        self._watch.cancel()


def run_worker(settings: ServingSettings, listener: socket.socket, metrics: Metrics, *, answer_early: bool) -> int:
    """Serve in this process until a signal comes and return the exit status. Does not return while a model loads.

    ``answer_early``: answer connections with 503 before the model is ready; otherwise they wait.
    """
    threads = str(settings.thread_count())
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = threads
    if not settings.multi_model:
        # A server of several models must return the memory of unloaded ones.
        keep_large_blocks(_KEPT_BYTES)
    server = Server(settings, metrics)
    if not answer_early:
        server.load()
        return server.answer(listener)
    loader = threading.Thread(target=server.load, name="loader", daemon=True)
    loader.start()
    status = server.answer(listener)
    if loader.is_alive():
        # The thread cannot be interrupted, and ending the interpreter while it runs could crash.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def main(plan: Mapping[str, Any]) -> int:
    """Serve as one of several workers, as the supervisor's plan says, and return the exit status."""
    logging.basicConfig(level=logging.INFO, format=f"%(message)s [worker {plan['worker']}]")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # Ctrl-C reaches the whole process group; the supervisor passes it on as SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    return run_worker(
        ServingSettings.parse(plan["settings"]),
        socket.socket(fileno=plan["listener"]),
        Metrics(plan["workers"], plan["worker"], plan["metrics"]),
        answer_early=plan["answer_early"],
    )


def _end_with_supervisor() -> None:
    # Nothing is ever written to stdin: it ends with the supervisor.
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(json.loads(os.environ.pop(PLAN_VARIABLE))))

"""The endpoint as a process: opens its state, listens, and ends its work when it ends."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from vision import algorithms
from vision.artifacts.model_place import is_published, look_at_model
from vision.aws.client_environment import write_sdk_config
from vision.aws.services import Services
from vision.aws.settings import AwsSettings
from vision.aws.workplace import Workplace
from vision.files.file_lock import try_lock
from vision.files.write_error import make_folder
from vision.serving.access_control import AccessControl
from vision.serving.connections import KEEP_ALIVE_S, ConnectionLimits, Connections
from vision.serving.guarded_protocol import GuardedProtocol
from vision.serving.metrics import Metrics
from vision.serving.signalled_server import SignalledServer
from vision.settings.errors import UserError
from vision.settings.file_names import local_path

log = logging.getLogger(__name__)

# Uploads are written as they come: no body is held whole.
_LIMITS = ConnectionLimits(connections=1024, head_timeout_s=10.0, body_bytes=math.inf)


def serve(settings: AwsSettings) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit status. Raises UserError for a taken port or root."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    _look_at_models(settings)
    listener = _listen(settings)
    make_folder(settings.root)
    with (settings.root / ".lock").open("w") as lock:
        if not try_lock(lock.fileno()):
            raise UserError(f"another server works in {settings.root}: end it, or give another root=FOLDER")
        write_sdk_config(settings)
        services = Services(Workplace.open(settings))
        Server(AccessControl(services.app, settings), settings).run(sockets=[listener])
        services.end()
    return 0


def _look_at_models(settings: AwsSettings) -> None:
    """Find what can be found wrong with the models of the settings before the first request. Raises UserError."""
    if settings.search_model is not None and not is_published(settings.search_model):
        look_at_model(local_path(settings.search_model))
    for name, model in (("face_model", settings.face_model), ("label_model", settings.label_model)):
        found = None if model is None else look_at_model(local_path(str(model)))
        if found is None:
            continue
        facts = algorithms.facts_of(found.algorithm)
        if not facts.capabilities.detect_custom_labels:
            raise UserError(f"{name} is {model}, a model of {facts.title}, which finds no labels: give one that does")
        if name == "face_model" and "boxes" not in facts.label_tasks:
            raise UserError(f"{name} is {model}, a model of {facts.title}, which finds no boxes: give one that does")


class Server(SignalledServer):
    """Says that it answers when signals, too, are waited for. Slow clients give way to others."""

    def __init__(self, app: ASGIApp, settings: AwsSettings) -> None:
        self._root = settings.root
        self._connections = Connections(_LIMITS, Metrics())
        self._connections.fit_open_files()
        protocol: Any = functools.partial(GuardedProtocol, self._connections)
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._watch = asyncio.create_task(self._connections.watch())
        assert sockets is not None
        host, port = sockets[0].getsockname()[:2]
        log.info("vision: AWS clients are answered on http://%s:%d; buckets lie in %s", host, port, self._root)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self._watch.cancel()


def _listen(settings: AwsSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=1024)
    except OSError as error:
        raise UserError(
            f"port {settings.port} of {settings.host} cannot be listened on ({error.strerror}); give another port=N"
        ) from error

"""The endpoint as a process: opens its state, listens, and ends its work when it ends."""

from __future__ import annotations

import logging
import socket

import uvicorn

from vision.aws.client_environment import write_sdk_config
from vision.aws.services import Services
from vision.aws.settings import AwsSettings
from vision.aws.workplace import Workplace
from vision.files.file_lock import try_lock
from vision.files.write_error import make_folder
from vision.serving.access_control import AccessControl
from vision.serving.signalled_server import SignalledServer
from vision.settings.errors import UserError

log = logging.getLogger(__name__)

_MOST_REQUESTS = 256


def serve(settings: AwsSettings) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit status. Raises UserError for a taken port or root."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    listener = _listen(settings)
    make_folder(settings.root)
    with (settings.root / ".lock").open("w") as lock:
        if not try_lock(lock.fileno()):
            raise UserError(f"another server works in {settings.root}: end it, or give another root=FOLDER")
        write_sdk_config(settings)
        services = Services(Workplace.open(settings))
        config = uvicorn.Config(
            AccessControl(services.app, settings),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_MOST_REQUESTS,
            timeout_graceful_shutdown=5,
        )
        _Server(config, settings).run(sockets=[listener])
        services.end()
    return 0


class _Server(SignalledServer):
    """Says that it answers when signals, too, are waited for."""

    def __init__(self, config: uvicorn.Config, settings: AwsSettings) -> None:
        super().__init__(config)
        self._root = settings.root

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets is not None
        host, port = sockets[0].getsockname()[:2]
        log.info("vision: AWS clients are answered on http://%s:%d; buckets lie in %s", host, port, self._root)


def _listen(settings: AwsSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=1024)
    except OSError as error:
        raise UserError(
            f"port {settings.port} of {settings.host} cannot be listened on ({error.strerror}); give another port=N"
        ) from error

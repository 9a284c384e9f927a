"""The endpoint as a process: opens its state, listens, and ends jobs when it ends."""

from __future__ import annotations

import logging
import re
import socket

import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from vision.aws.app import build_app
from vision.aws.identity import iam, sts
from vision.aws.json_protocol import JsonService
from vision.aws.logs.cloud_watch_logs import CloudWatchLogs
from vision.aws.s3.routes import S3Routes
from vision.aws.sagemaker.endpoints import Endpoints
from vision.aws.sagemaker.models import Models
from vision.aws.sagemaker.scheduler import Scheduler
from vision.aws.sagemaker.training_jobs import TrainingJobs
from vision.aws.settings import AwsSettings
from vision.aws.workplace import Workplace
from vision.files.file_lock import try_lock
from vision.serving.access_control import AccessControl
from vision.settings.errors import UserError

log = logging.getLogger(__name__)

_MOST_REQUESTS = 256
_END_S = 10.0
_INVOCATION = re.compile(r"/endpoints/[^/]+/invocations")


def serve(settings: AwsSettings) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit status. Raises UserError for a taken port or root."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    listener = _listen(settings)
    workplace = Workplace.open(settings)
    with (workplace.own_folder / "lock").open("w") as lock:
        if not try_lock(lock.fileno()):
            raise UserError(f"another server works in {settings.root}: end it, or give another root=FOLDER")
        scheduler = Scheduler(settings.parallel)
        jobs = TrainingJobs(workplace, scheduler)
        models = Models(workplace)
        endpoints = Endpoints(workplace, models)
        jobs.recover()
        endpoints.recover()
        control = JsonService("SageMaker", {**jobs.operations, **models.operations, **endpoints.operations})

        async def sagemaker(request: Request) -> Response:
            # The runtime's calls are signed for the same service.
            is_call = _INVOCATION.fullmatch(request.url.path) is not None
            return await (endpoints.invoke(request) if is_call else control.answer(request))

        services = {
            "s3": S3Routes(workplace.storage, settings.region).answer,
            "sts": sts,
            "iam": iam,
            "logs": CloudWatchLogs(workplace.logs).answer,
            "sagemaker": sagemaker,
        }
        app = AccessControl(build_app(services, settings.region), settings)
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=_MOST_REQUESTS,
            timeout_graceful_shutdown=5,
        )
        host, port = listener.getsockname()[:2]
        log.info("vision: AWS clients are answered on http://%s:%d; buckets lie in %s", host, port, settings.root)
        uvicorn.Server(config).run(sockets=[listener])
        endpoints.end_all()
        scheduler.stop_all()
        scheduler.wait(_END_S)
    return 0


def _listen(settings: AwsSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=1024)
    except OSError as error:
        raise UserError(
            f"port {settings.port} of {settings.host} cannot be listened on ({error.strerror}); give another port=N"
        ) from error

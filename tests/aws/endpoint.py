"""A local endpoint in a thread of the test's process, and stock clients turned to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import uvicorn
from botocore.config import Config

from vision.aws.app import build_app
from vision.aws.s3.routes import S3Routes
from vision.aws.s3.storage import Storage

REGION = "eu-west-1"


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port and yield its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def s3_endpoint(root: Path) -> Iterator[str]:
    with served(build_app({"s3": S3Routes(Storage(root), REGION).answer}, REGION)) as address:
        yield address


def client(service: str, address: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=address,
        region_name=REGION,
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"max_attempts": 1}),
    )

"""A local endpoint in a thread of the test's process, and stock clients turned to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from starlette.types import ASGIApp

from vision.aws.server import Server
from vision.aws.services import Services
from vision.aws.settings import AwsSettings
from vision.aws.workplace import Workplace
from vision.serving.access_control import AccessControl

REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/vision"


class Clients:
    """Stock boto3 clients by attribute: ``clients.s3``, ``clients.sagemaker``, ``clients.sagemaker_runtime``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._made: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = boto3.client(
                name.replace("_", "-"),
                endpoint_url=self.address,
                region_name=REGION,
                aws_access_key_id="any",
                aws_secret_access_key="any",
                config=Config(retries={"max_attempts": 1}, read_timeout=120),
            )
        return self._made[name]


class _ServerInThread(Server):
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leave signals alone: only a process's first thread may handle them."""
        return nullcontext()


@contextmanager
def local_endpoint(
    root: Path, wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app, **changes: str
) -> Iterator[Clients]:
    """Serve buckets below ``root`` and yield clients; ``changes`` are further settings.

    ``wrap`` may put something in front of the endpoint.
    """
    root.mkdir(parents=True, exist_ok=True)
    settings = AwsSettings.parse({"root": str(root), "region": REGION, "hold_s": 50, **changes})
    services = Services(Workplace.open(settings))
    listener = socket.create_server(("127.0.0.1", 0))
    server = _ServerInThread(wrap(AccessControl(services.app, settings)), settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield Clients(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        services.end()


def training_request(name: str, channels: dict[str, str], **changes: Any) -> dict[str, Any]:
    """A request CreateTrainingJob as the old sample notebooks write it; ``channels`` are S3 addresses by name."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": "813361260812.dkr.ecr.eu-central-1.amazonaws.com/image-classification:1",
            "TrainingInputMode": "File",
        },
        "RoleArn": ROLE,
        "InputDataConfig": [
            {
                "ChannelName": channel,
                "ContentType": "application/x-recordio",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": uri,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for channel, uri in channels.items()
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
        "ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **changes,
    }


def until_ended(describe: Callable[[], dict[str, Any]], status: str) -> dict[str, Any]:
    """Return what a job's Describe says when the value of ``status`` is final. The server answers late, not at once."""
    while True:
        described = describe()
        if described[status] in ("Completed", "Failed", "Stopped"):
            return described


def ended_training(clients: Clients, name: str) -> dict[str, Any]:
    """Return what DescribeTrainingJob says of a job that has ended."""
    return until_ended(
        lambda: clients.sagemaker.describe_training_job(TrainingJobName=name),
        "TrainingJobStatus",
    )

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.aws.endpoint import Clients, local_endpoint
from vision.aws.child_process import start_child
from vision.aws.sagemaker import training_machine


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the buckets of this module's server."""
    return tmp_path_factory.mktemp("aws")


@pytest.fixture(scope="module")
def clients(root: Path) -> Iterator[Clients]:
    """Clients of this module's server, which has an empty bucket ``bucket``."""
    with local_endpoint(root) as clients:
        clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield clients


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the jobs of servers in this process run ``tests/aws/fake_training.py``."""

    def start(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
        return start_child("tests.aws.fake_training", arguments, environment)

    monkeypatch.setattr(training_machine, "start_child", start)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws import fake_training
from tests.aws.endpoint import Clients, local_endpoint
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

    monkeypatch.setattr(training_machine, "start_child", fake_training.start_instead)

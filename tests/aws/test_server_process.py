"""The real ``vision aws serve`` process: killed at work and started again, and its command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.aws.endpoint import Clients, ended_training, training_request
from tests.contract.training_jobs import HYPERPARAMETERS, records
from tests.free_ports import free_port
from vision.cli.main import main

pytestmark = pytest.mark.timeout(600)


class Server:
    """The process on a port of its own; ``clients`` are turned to it."""

    def __init__(self, root: Path) -> None:
        port = free_port()
        words = ["aws", "serve", f"root={root}", f"port={port}", "region=eu-west-1", "hold_s=50"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vision", *words], env=environment, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        self.said = self.process.stderr.readline()
        assert "AWS clients are answered" in self.said
        self.clients = Clients(f"http://127.0.0.1:{port}")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate()
        return self.process.returncode


def children(root: Path) -> list[str]:
    """Return the command lines of processes that work below ``root``."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if f"SAGEMAKER_BASE_DIR={root}".encode() in environment and command:
            found.append(command.decode(errors="replace"))
    return found


def test_a_killed_server_leaves_no_process_and_a_true_state(tmp_path: Path) -> None:
    root = tmp_path / "root"
    server = Server(root)
    server.clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    server.clients.s3.upload_file(str(records(tmp_path)), "bucket", "train/data.rec")
    texts = {name: str(value) for name, value in HYPERPARAMETERS.items()} | {"epochs": "100000"}
    channels = {"train": "s3://bucket/train/", "validation": "s3://bucket/train/"}
    for name in ("at-work", "waiting"):
        server.clients.sagemaker.create_training_job(**training_request(name, channels, HyperParameters=texts))
    while not children(root):
        time.sleep(0.05)
    server.end(signal.SIGKILL)
    until = time.monotonic() + 60
    while children(root):
        assert time.monotonic() < until
        time.sleep(0.05)

    server = Server(root)
    for name in ("at-work", "waiting"):
        job = ended_training(server.clients, name)
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("InternalServerError: the server ended")
        assert "ModelArtifacts" not in job
    keys = [one["Key"] for one in server.clients.s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert keys == ["train/data.rec"]
    # The same calls go on.
    again = training_request("again", channels, HyperParameters=texts | {"epochs": "1"})
    server.clients.sagemaker.create_training_job(**again)
    job = ended_training(server.clients, "again")
    assert job["TrainingJobStatus"] == "Completed"
    # Clients whose variables were printed for another state of the folder still find their config file.
    assert (root / ".vision" / "sagemaker-sdk.yaml").is_file()
    assert server.end() == 0


def test_one_root_has_one_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(tmp_path)
    assert main(["aws", "serve", f"root={tmp_path}", f"port={free_port()}"]) == 2
    assert f"another server works in {tmp_path}" in capsys.readouterr().err
    assert server.end() == 0


def test_the_exports_turn_clients_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aws", "env", f"root={tmp_path}", "port=4567", "region=eu-west-1"]) == 0
    lines = capsys.readouterr().out
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4567\n" in lines
    config = tmp_path / ".vision" / "sagemaker-sdk.yaml"
    assert f"export SAGEMAKER_USER_CONFIG_OVERRIDE={config}\n" in lines
    assert "TelemetryOptOut: true" in config.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serv"], "vision aws 'serv' is unknown: did you mean serve?"),
        (["serve"], "root"),
        (["serve", "root=x", "region=Europe"], "region"),
        (["serve", "root=x", "ports=1"], "did you mean port"),
    ],
)
def test_mistakes_are_sentences(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["aws", *words]) == 2
    assert said in capsys.readouterr().err

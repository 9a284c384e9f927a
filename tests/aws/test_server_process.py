"""The real ``vision aws serve`` process: killed at work and started again, and its command line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.aws.endpoint import ROLE, Clients, ended_training, training_request
from tests.aws.test_transform import transform_request
from tests.aws.test_tuning import tune, tuning_request
from tests.contract.training_jobs import HYPERPARAMETERS, records
from tests.free_ports import free_port
from tests.serving.small_model import write_any_model, write_model
from vision.cli.main import main

pytestmark = pytest.mark.timeout(600)

ENDED = ("Completed", "Failed", "Stopped")
FILES = {"S3DataType": "S3Prefix", "CompressionType": "None"}


class Server:
    """The process on a port of its own; ``clients`` are turned to it."""

    def __init__(self, root: Path, program: Sequence[str] = ("vision", "aws", "serve"), *words: str) -> None:
        port = free_port()
        given = [f"root={root}", f"port={port}", "region=eu-west-1", "hold_s=50", *words]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", *program, *given], env=environment, stderr=subprocess.PIPE, text=True
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
        if f"SAGEMAKER_BASE_DIR={root}".encode() in environment or f"={root}/".encode() in command:
            found.append(command.decode(errors="replace"))
    return [command for command in found if command]


def wait_for_no_children(root: Path) -> None:
    until = time.monotonic() + 60
    while children(root):
        assert time.monotonic() < until, children(root)
        time.sleep(0.05)


def test_a_killed_server_leaves_no_process_and_a_true_state(tmp_path: Path) -> None:
    root = tmp_path / "root"
    server = Server(root)
    server.clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    server.clients.s3.upload_file(str(records(tmp_path)), "bucket", "train/data.rec")
    texts = {name: str(value) for name, value in HYPERPARAMETERS.items()} | {"epochs": "100000"}
    channels = {"train": "s3://bucket/train/", "validation": "s3://bucket/train/"}
    kept = {"CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints/"}, "HyperParameters": texts}
    for name in ("at-work", "waiting"):
        server.clients.sagemaker.create_training_job(**training_request(name, channels, **kept))
    while not (root / "bucket/checkpoints/last.ckpt").is_file():
        time.sleep(0.05)
    server.end(signal.SIGKILL)
    wait_for_no_children(root)

    server = Server(root)
    for name in ("at-work", "waiting"):
        job = ended_training(server.clients, name)
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("InternalServerError: the server ended")
        assert "ModelArtifacts" not in job
    keys = [one["Key"] for one in server.clients.s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert [key for key in keys if not key.startswith("checkpoints/")] == ["train/data.rec"]
    assert not (root / ".vision/jobs").exists()
    # The same call goes on, from the last checkpoint.
    server.clients.sagemaker.create_training_job(**training_request("again", channels, **kept))
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamNamePrefix": "again/"}
    epochs: list[str] = []
    while not epochs:
        time.sleep(0.2)
        epochs = re.findall(r"Epoch\[(\d+)\] Validation-accuracy", log_text(server.clients, group))
    server.clients.sagemaker.stop_training_job(TrainingJobName="again")
    assert ended_training(server.clients, "again")["TrainingJobStatus"] == "Stopped"
    assert int(epochs[0]) > 0
    # Clients whose variables were printed for another state of the folder still find their config file.
    assert (root / ".vision" / "sagemaker-sdk.yaml").is_file()
    assert server.end() == 0


def log_text(clients: Clients, group: dict[str, str]) -> str:
    try:
        return "\n".join(event["message"] for event in clients.logs.filter_log_events(**group)["events"])
    except ClientError:
        return ""


# Seconds after the last call: before the first job begins, while jobs train, tuned ones too, and after some have ended.
@pytest.mark.parametrize("moment_s", [0.0, 0.6, 2.0])
def test_a_server_killed_at_any_moment_shows_a_true_state(tmp_path: Path, moment_s: float) -> None:
    root, program = tmp_path / "root", ("tests.aws.fake_training", "serve")
    model = write_model(tmp_path / "model")
    (root / "bucket/models/model").mkdir(parents=True)
    shutil.copytree(model, root / "bucket/models/model", dirs_exist_ok=True)
    server = Server(root, program, "parallel=3")
    sagemaker = server.clients.sagemaker
    server.clients.s3.upload_file(str(records(tmp_path)), "bucket", "train/data.rec")
    texts = {name: str(value) for name, value in HYPERPARAMETERS.items()} | {"run.stall_timeout_s": "0.1"}
    channels = {"train": "s3://bucket/train/", "validation": "s3://bucket/train/"}
    request = tuning_request("tuning", jobs=4, static={"run.stall_timeout_s": "0.1"})
    container = {"Image": request["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"]}
    container |= {"ModelDataSource": {"S3DataSource": {"S3Uri": "s3://bucket/models/model/", **FILES}}}
    sagemaker.create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    sagemaker.create_training_job(**training_request("training", channels, HyperParameters=texts))
    sagemaker.create_transform_job(**transform_request("transform", "s3://bucket/train/"))
    sagemaker.create_hyper_parameter_tuning_job(**request)
    time.sleep(moment_s)
    server.end(signal.SIGKILL)
    wait_for_no_children(root)

    server = Server(root, program, "parallel=3")
    sagemaker = server.clients.sagemaker
    name = {"HyperParameterTuningJobName": "tuning"}
    tuning = sagemaker.describe_hyper_parameter_tuning_job(**name)
    tuned = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(**name)["TrainingJobSummaries"]
    assert tuning["HyperParameterTuningJobStatus"] in ENDED
    assert tuning["ObjectiveStatusCounters"]["Pending"] == 0
    assert sagemaker.describe_transform_job(TransformJobName="transform")["TransformJobStatus"] in ENDED
    offered = {"models/model"}
    for job in ("training", *(one["TrainingJobName"] for one in tuned)):
        described = sagemaker.describe_training_job(TrainingJobName=job)
        assert described["TrainingJobStatus"] in ENDED
        assert (described["TrainingJobStatus"] == "Completed") == ("ModelArtifacts" in described)
        offered.add(f"output/{job}")
    # What lies in the bucket is whole, and of a job that is known.
    for path in (root / "bucket").rglob("*.tar.gz"):
        assert str(path.relative_to(root / "bucket").parent.parent) in offered
        with tarfile.open(path) as archive:
            assert "model.json" in archive.getnames()
    assert not (root / ".vision/jobs").exists()
    # The same calls go on, and learn from what there is.
    parent = {"ParentHyperParameterTuningJobs": [name], "WarmStartType": "TransferLearning"}
    again, jobs = tune(server.clients, tuning_request("again", jobs=1, warm_start=parent))
    assert (again["HyperParameterTuningJobStatus"], len(jobs)) == ("Completed", 1)
    assert server.end() == 0
    assert not children(root)


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


@pytest.mark.parametrize(
    ("setting", "algorithm", "values", "said"),
    [
        (
            "label_model",
            "semantic_segmentation",
            {"backbone": "resnet-18", "use_pretrained_model": False},
            "a model of Semantic Segmentation, which finds no labels: give one that does",
        ),
        (
            "face_model",
            "image_classification",
            {"num_layers": 20, "image_shape": "3,32,32"},
            "a model of Image Classification, which finds no boxes: give one that does",
        ),
    ],
)
def test_a_model_of_another_kind_is_refused_at_once(
    setting: str,
    algorithm: str,
    values: dict[str, object],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = write_any_model(tmp_path / "model", algorithm, values)
    assert main(["aws", "serve", f"root={tmp_path / 'root'}", f"port={free_port()}", f"{setting}={model}"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "root").exists()

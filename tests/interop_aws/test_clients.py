"""Stock clients against the local endpoint: both SDKs of SageMaker and the AWS CLI, unpatched.

``scripts/test.sh aws`` makes their environments. With VISION_RECORD=1 the requests are written to tests/aws/traces.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.aws.endpoint import REGION, Clients, local_endpoint, training_request
from tests.contract.training_jobs import HYPERPARAMETERS, images, records
from tests.interop_aws.recorder import Recorder
from vision.cli.main import main

pytestmark = pytest.mark.timeout(900)

HERE = Path(__file__).parent
# What these ask is in the others, too.
UNRECORDED = (("v2", "silent"), ("v3", "builder"))
TRACES = HERE.parent / "aws" / "traces"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the flows upload and send."""
    folder = tmp_path_factory.mktemp("files")
    records(folder)
    (folder / "photo.png").write_bytes(next(images())[1])
    texts = {name: str(value) for name, value in HYPERPARAMETERS.items()}
    (folder / "hyperparameters.json").write_text(json.dumps(texts))
    return folder


@pytest.fixture
def endpoint(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[tuple[dict[str, str], Recorder]]:
    """The variables that ``vision aws env`` prints for a server, and its recorder."""
    root = tmp_path_factory.mktemp("aws")
    made: list[Recorder] = []

    def recorded(app: object) -> Recorder:
        made.append(Recorder(app, folder))
        return made[0]

    with local_endpoint(root, wrap=recorded) as clients:
        yield exported(root, clients), made[0]


def exported(root: Path, clients: Clients) -> dict[str, str]:
    port = clients.address.rpartition(":")[2]
    with redirect_stdout(StringIO()) as said:
        assert main(["aws", "env", f"root={root}", f"port={port}", f"region={REGION}"]) == 0
    lines = [shlex.split(line)[1].split("=", 1) for line in said.getvalue().splitlines() if line.startswith("export ")]
    return dict(lines)


def python_of(variable: str) -> str:
    found = os.environ.get(variable)
    if not found:
        pytest.skip(f"{variable} names no environment: run scripts/test.sh aws")
    return found


@pytest.mark.parametrize(
    ("sdk", "flow"),
    [
        ("v2", "estimator"),
        ("v2", "silent"),
        ("v2", "tuner"),
        ("v2", "transformer"),
        ("v3", "trainer"),
        ("v3", "builder"),
        ("v3", "tuner"),
        ("v3", "transformer"),
    ],
)
def test_a_notebook_runs_as_it_is(sdk: str, flow: str, folder: Path, endpoint: tuple[dict[str, str], Recorder]) -> None:
    variables, recorder = endpoint
    python = python_of(f"VISION_SDK_{sdk.upper()}_PYTHON")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [python, str(HERE / f"sdk_{sdk}.py"), str(folder), flow]
    done = subprocess.run(command, env=kept | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    if os.environ.get("VISION_RECORD") and (sdk, flow) not in UNRECORDED:
        recorder.write(TRACES / f"{sdk}_{flow}.jsonl")


def test_the_aws_cli(folder: Path, endpoint: tuple[dict[str, str], Recorder], tmp_path: Path) -> None:
    """Each command, and words of what it prints."""
    variables, _ = endpoint
    aws = str(Path(python_of("VISION_AWS_CLI_PYTHON")).parent / "aws")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        (photos / name).write_bytes((folder / "photo.png").read_bytes())
    request = tmp_path / "request.json"
    request.write_text(json.dumps(training_request_of_the_cli(folder)))
    job, group = "--training-job-name cli-job", "--log-group-name /aws/sagemaker/TrainingJobs"
    commands = [
        ("s3 mb s3://cli-bucket", "make_bucket"),
        (f"s3 cp {folder}/data.rec s3://cli-bucket/data/", "upload:"),
        (f"s3 sync {photos} s3://cli-bucket/photos", "upload:"),
        ("s3 ls s3://cli-bucket --recursive", "photos/b.png"),
        ("s3 mv s3://cli-bucket/photos/b.png s3://cli-bucket/photos/c.png", "move:"),
        (f"s3 sync --delete s3://cli-bucket/photos {photos}", "delete:"),
        ("s3 rm --recursive s3://cli-bucket/photos", "delete:"),
        (f"sagemaker create-training-job --cli-input-json file://{request}", "training-job/cli-job"),
        (f"sagemaker wait training-job-completed-or-stopped {job}", ""),
        (f"sagemaker describe-training-job {job} --query TrainingJobStatus", "Completed"),
        (f"logs describe-log-streams {group} --log-stream-name-prefix cli-job/", "cli-job/algo-1-"),
        (f"logs filter-log-events {group} --log-stream-name-prefix cli-job/", "Validation-accuracy"),
        (f"s3 cp s3://cli-bucket/output/cli-job/output/model.tar.gz {tmp_path}/", "download:"),
        ("sts get-caller-identity", "assumed-role/vision/local"),
    ]
    for command, words in commands:
        done = subprocess.run(
            [aws, *shlex.split(command)], env=kept | variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and words in done.stdout, f"aws {command}: {done.stdout}\n{done.stderr}"
    assert [path.name for path in sorted(photos.iterdir())] == ["a.png", "c.png"]
    assert (tmp_path / "model.tar.gz").read_bytes()[:2] == b"\x1f\x8b"


def training_request_of_the_cli(folder: Path) -> dict[str, object]:
    texts = json.loads((folder / "hyperparameters.json").read_text())
    channels = {"train": "s3://cli-bucket/data/", "validation": "s3://cli-bucket/data/"}
    output = {"S3OutputPath": "s3://cli-bucket/output"}
    return training_request("cli-job", channels, HyperParameters=texts, OutputDataConfig=output)

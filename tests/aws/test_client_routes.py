"""Where clients go, and how they come here: compared with what boto3 itself does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tests.aws.endpoint import REGION, local_endpoint
from tests.free_ports import free_port
from vision.aws.client_environment import exports, notebook_cell
from vision.aws.client_routes import SERVICES, ClientRoutes
from vision.aws.doctor import diagnosis
from vision.aws.settings import AwsSettings
from vision.cli.main import main

HERE = "http://127.0.0.1:4566"
CONFIG = """\
[default]
region = eu-west-1
[profile local]
region = eu-west-1
services = mine
endpoint_url = http://127.0.0.1:1
[services mine]
s3 =
  endpoint_url = http://127.0.0.1:2
cloudwatch_logs =
  endpoint_url = http://127.0.0.1:3
[profile away]
region = eu-west-1
ignore_configured_endpoint_urls = true
"""


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings of AWS but a config file."""
    for name in os.environ:
        if name.startswith(("AWS_", "SAGEMAKER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "credentials").write_text("[local]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_ENDPOINT_URL": HERE},
        {"AWS_ENDPOINT_URL": HERE, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://127.0.0.1:9"},
        {"AWS_PROFILE": "local"},
        {"AWS_PROFILE": "local", "AWS_ENDPOINT_URL": HERE},
        {"AWS_PROFILE": "local", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"},
        {"AWS_PROFILE": "away", "AWS_ENDPOINT_URL": HERE},
        {"AWS_PROFILE": "away", "AWS_ENDPOINT_URL": HERE, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
        {"AWS_ENDPOINT_URL": HERE, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"},
    ],
    ids=lambda variables: ",".join(variables),
)
def test_routes_are_those_of_boto3(variables: dict[str, str], clean: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        clean.setenv(name, value)
    routes = ClientRoutes(os.environ)
    session = boto3.Session()
    assert routes.region == session.region_name
    for service in SERVICES:
        address = session.client(service).meta.endpoint_url
        assert routes.route(service).address == (None if "amazonaws.com" in address else address), service


def test_an_exported_environment_needs_nothing_mended(tmp_path: Path, clean: pytest.MonkeyPatch) -> None:
    with local_endpoint(tmp_path) as clients:
        port = clients.address.rpartition(":")[2]
        settings = AwsSettings.parse({"root": str(tmp_path), "port": port, "region": REGION})
        current = {"AWS_ENDPOINT_URL_S3": "https://s3.amazonaws.com", "http_proxy": "http://proxy:1", "NO_PROXY": "a.b"}
        lines = exports(settings, current).splitlines()
        assert lines[0] == "unset AWS_ENDPOINT_URL_S3"
        given = dict(line.removeprefix("export ").split("=", 1) for line in lines[1:])
        assert given["NO_PROXY"] == "a.b,127.0.0.1,localhost"
        text, is_well = diagnosis(current | given | {"AWS_ENDPOINT_URL_S3": ""})
        assert is_well, text
        assert f"sagemaker-runtime  {clients.address} (AWS_ENDPOINT_URL)" in text
        assert f"sagemaker-{REGION}-123456789012" in text


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "s3, sagemaker, sagemaker-runtime, rekognition, logs, cloudwatch, sts, iam: calls leave this machine"),
        ({"AWS_ENDPOINT_URL": HERE, "AWS_ENDPOINT_URL_S3": "https://s3.amazonaws.com"}, "\n  s3: calls leave"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:{port}"}, "nothing answers at http://127.0.0.1:{port}: start vision"),
        ({"AWS_ENDPOINT_URL": HERE, "HTTP_PROXY": "http://proxy:1"}, "go through HTTP_PROXY: NO_PROXY="),
        ({"AWS_CONFIG_FILE": "none"}, "no region is set"),
        ({"AWS_PROFILE": "away"}, "no keys are set"),
        ({"SAGEMAKER_USER_CONFIG_OVERRIDE": "none.yaml"}, "telemetry          sent to AWS"),
        ({}, "get_execution_role() asks"),
    ],
)
def test_the_doctor_names_what_is_wrong(
    variables: dict[str, str], said: str, clean: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(free_port())
    for name, value in variables.items():
        clean.setenv(name, value.replace("{port}", port))
    assert main(["aws", "doctor"]) == 1
    assert said.replace("{port}", port) in capsys.readouterr().out


def test_without_the_extra_a_sentence_says_what_is_missing() -> None:
    code = (
        "import sys; sys.modules['starlette.requests'] = None\n"
        "from vision.cli.main import main\n"
        "print([main(['aws', *words.split()]) for words in ('serve root=x', 'env root=x', 'doctor')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[2, 2, 2]\n", done.stderr
    assert done.stderr.count("pip install 'vision[serve]'") == 3


def test_the_cell_turns_a_notebook_here(tmp_path: Path, clean: pytest.MonkeyPatch) -> None:
    clean.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with local_endpoint(tmp_path) as clients:
        port = clients.address.rpartition(":")[2]
        settings = AwsSettings.parse({"root": str(tmp_path), "port": port, "region": REGION})
        # What the cell sets is put back after the test, because it was set before.
        for line in exports(settings, {}).splitlines():
            clean.setenv(line.removeprefix("export ").split("=")[0], "")
        names: dict[str, str] = {}
        exec(compile(notebook_cell(settings, {}), "cell", "exec"), names)
        boto3.Session().client("s3").create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        assert (tmp_path / "bucket").is_dir()
    assert names["role"] == "arn:aws:iam::123456789012:role/vision"

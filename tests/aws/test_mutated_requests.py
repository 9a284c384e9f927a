"""Damaged requests of every protocol: refused in the protocol's shape, nothing raised, nothing outside the root."""

from __future__ import annotations

import json
import logging
import random
import socket
import time
from collections.abc import Iterable, Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from tests.aws.endpoint import REGION, Clients, local_endpoint, training_request
from tests.aws.mutated_requests import (
    JSON_SERVICES,
    RawRequest,
    invocations,
    json_request,
    json_requests,
    model_of,
    query_requests,
    s3_requests,
)
from vision.aws.settings import AwsSettings
from vision.aws.workplace import Workplace

pytestmark = pytest.mark.timeout(900)

COUNT = 120
LONGEST_S = 20.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Deep enough for every "../" above to end in the test's own folder.
    root = tmp_path_factory.mktemp("outside") / "a/b/c/d/root"
    (root / "bucket").mkdir(parents=True)
    (root / "bucket/key").write_bytes(b"content")
    return root


@pytest.fixture(scope="module")
def endpoint(root: Path) -> Iterator[Clients]:
    workplace = Workplace.open(AwsSettings.parse({"root": str(root)}))
    request = training_request("first", {"train": "s3://bucket/none/"})
    state = {"request": request, "algorithm": "image_classification", "status": "Completed", "secondary": "Completed"}
    workplace.registry.add("training-job", "first", {**state, "transitions": []})
    container = {"Image": request["AlgorithmSpecification"]["TrainingImage"], "ModelDataUrl": "s3://bucket/none"}
    workplace.registry.add("model", "first", {"request": {"ModelName": "first", "PrimaryContainer": container}})
    variants = [{"VariantName": "first", "ModelName": "first"}]
    config = {"EndpointConfigName": "first", "ProductionVariants": variants}
    workplace.registry.add("endpoint-config", "first", {"request": config})
    workplace.registry.add("endpoint", "first", {"config": "first", "status": "Failed"})
    log, metrics = workplace.logs.writer("first", "second"), workplace.metrics.writer("first")
    log.write("a line")
    log.close()
    metrics.write("first", 1.0)
    metrics.close()
    with local_endpoint(root) as clients:
        yield clients


@pytest.fixture(scope="module")
def arns(endpoint: Clients) -> list[str]:
    """The names of what exists, and of what does not."""
    project = endpoint.rekognition.create_project(ProjectName="first")["ProjectArn"]
    dataset = endpoint.rekognition.create_dataset(ProjectArn=project, DatasetType="TRAIN")["DatasetArn"]
    sagemaker = f"arn:aws:sagemaker:{REGION}:123456789012:"
    return [project, dataset, project.replace("project/first", "project/first/version/1"), f"{sagemaker}model/first"]


def send(address: str, request: RawRequest) -> tuple[int, bytes]:
    """Send a request as its bytes are and return status and body of the answer."""
    host, _, port = urlsplit(address).netloc.partition(":")
    headers = {"host": f"{host}:{port}", "content-length": str(len(request.body)), **request.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((host, int(port)), timeout=LONGEST_S) as connection:
        try:
            connection.sendall(f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
            connection.sendall(request.body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = HTTPResponse(connection, method=request.method)
        answer.begin()
        return answer.status, answer.read()


def check(
    clients: Clients, requests: Iterable[RawRequest], caplog: pytest.LogCaptureFixture, has_error_shape: str
) -> dict[int, int]:
    """Send all requests and return how often each status was answered."""
    counts: dict[int, int] = {}
    for request in requests:
        started = time.monotonic()
        try:
            status, body = send(clients.address, request)
        except (OSError, HTTPException) as error:
            raise AssertionError(f"{error!r} after {request}") from error
        assert time.monotonic() - started < LONGEST_S, request
        assert 200 <= status < 500 or (has_error_shape == "s3" and status == 501), (status, body, request)
        if status >= 400 and request.method != "HEAD":
            assert _is_error(body, has_error_shape), (status, body, request)
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR], request
        counts[status] = counts.get(status, 0) + 1
    return counts


def _is_error(body: bytes, shape: str) -> bool:
    if shape == "json":
        return {"__type", "message"} <= set(json.loads(body))
    if shape == "runtime":
        return bool({"Message", "message"} & set(json.loads(body)))
    root = ElementTree.fromstring(body)
    return root.find("Code") is not None or any(one.tag.endswith("Code") for one in root.iter())


def assert_nothing_outside(root: Path) -> None:
    outside = root.parents[4]
    found = [path for path in outside.rglob("*") if root not in path.parents and path not in (root, *root.parents)]
    assert found == []
    assert not Path("hacked").exists()
    assert all(path.name in ("bucket", ".vision", ".lock") for path in root.iterdir() if not path.is_dir())


@pytest.mark.parametrize("service", JSON_SERVICES)
def test_json_services(
    endpoint: Clients, root: Path, arns: list[str], caplog: pytest.LogCaptureFixture, service: str
) -> None:
    known = [
        name
        for name in model_of(service).operation_names
        if b"UnknownOperation" not in send(endpoint.address, json_request(service, name, b"{}"))[1]
    ]
    assert known
    counts = check(endpoint, json_requests(service, known, arns, COUNT, random.Random(service)), caplog, "json")
    assert {200, 400} <= set(counts)
    assert_nothing_outside(root)


def test_query_services(endpoint: Clients, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    counts = check(endpoint, query_requests(COUNT, random.Random(0)), caplog, "query")
    assert {200, 400} <= set(counts)
    assert_nothing_outside(root)


def test_invocations(endpoint: Clients, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    counts = check(endpoint, invocations(COUNT, "first", random.Random(0)), caplog, "runtime")
    assert set(counts) <= {400, 404, 413}
    assert_nothing_outside(root)


def test_s3(endpoint: Clients, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    upload = endpoint.s3.create_multipart_upload(Bucket="bucket", Key="key")["UploadId"]
    counts = check(endpoint, s3_requests(COUNT, upload, random.Random(0)), caplog, "s3")
    assert {200, 400, 404} <= set(counts)
    assert_nothing_outside(root)

"""SageMaker's multi-model API on a real process (contract section 8.5), and the endpoint that loads on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.server_process import ServerProcess
from tests.serving.small_model import picture, write_model
from vision.artifacts.model_folder import pack_model

IMAGE = picture(1)
WEIGHTS_GB = 1.1e-3
"""One model's weights, a little more than they are."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("a", "b", "c", "d")):
        write_model(folder / name / "model", seed)
    (folder / "shelf").mkdir()
    pack_model(folder / "d" / "model", folder / "shelf" / "d.tar.gz")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[ServerProcess]:
    with ServerProcess(root, "multi_model=true", f"max_models_gb={2 * WEIGHTS_GB}") as process:
        yield process


@pytest.fixture(autouse=True)
def _unload_all(server: ServerProcess) -> Iterator[None]:
    yield
    for name in loaded(server):
        assert server.request("DELETE", f"/models/{name}")[0] == 200


def loaded(server: ServerProcess) -> list[str]:
    return [found["modelName"] for found in json.loads(server.request("GET", "/models")[1])["models"]]


def load(server: ServerProcess, root: Path, name: str) -> int:
    body = json.dumps({"model_name": name, "url": str(root / name / "model")}).encode()
    return server.request("POST", "/models", body, content_type="application/json")[0]


def invoke(server: ServerProcess, name: str) -> tuple[int, Any]:
    header = {"x_amzn_sagemaker_target_model": "somewhere/name.tar.gz"}
    status, body, _ = server.request("POST", f"/models/{name}/invoke", IMAGE, content_type="image/jpeg", **header)
    return status, json.loads(body)


def test_life_of_a_model(server: ServerProcess, root: Path) -> None:
    assert server.request("GET", "/ping")[0] == 200
    assert invoke(server, "a")[0] == 404
    assert load(server, root, "a") == 200
    status, answer = invoke(server, "a")
    assert status == 200
    assert sum(answer) == pytest.approx(1)
    shown = {"modelName": "a", "modelUrl": str(root / "a" / "model")}
    assert json.loads(server.request("GET", "/models/a")[1]) == shown
    assert json.loads(server.request("GET", "/models")[1]) == {"models": [shown]}
    assert load(server, root, "a") == 409
    assert server.request("DELETE", "/models/a")[:2] == (200, b"")
    assert server.request("DELETE", "/models/a")[0] == 404
    assert server.request("GET", "/models/a")[0] == 404
    assert invoke(server, "a")[0] == 404


def test_memory_is_bounded_and_given_back(server: ServerProcess, root: Path) -> None:
    assert [load(server, root, name) for name in "abc"] == [200, 200, 507]
    assert loaded(server) == ["a", "b"]
    assert b"vision_loaded_models 2\n" in server.request("GET", "/metrics")[1]
    server.request("DELETE", "/models/a")
    assert load(server, root, "c") == 200
    assert invoke(server, "b")[1] != invoke(server, "c")[1]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "JSON object"),
        (b"[" * 5000, "JSON object"),
        (b'{"model_name": "a"}', "model_name"),
        (b'{"model_name": "a", "url": "/etc/passwd"}', "loaded from below"),
        (b'{"model_name": "a", "url": "../../x"}', "loaded from below"),
        (b'{"model_name": "a", "url": "a\\u0000b"}', "model_name"),
    ],
)
def test_load_refusals(server: ServerProcess, body: bytes, part: str) -> None:
    status, answer, _ = server.request("POST", "/models", body)
    assert status == 400
    assert part in json.loads(answer)["error"]


@pytest.mark.parametrize(("name", "part"), [("a", "is no model (it is empty)"), ("", "must have 1 to 1024 characters")])
def test_a_folder_without_model_is_a_sentence(server: ServerProcess, root: Path, name: str, part: str) -> None:
    body = json.dumps({"model_name": name, "url": str(root / "empty")}).encode()
    status, answer, _ = server.request("POST", "/models", body)
    assert status == 400
    assert part in json.loads(answer)["error"]


def test_no_single_model(server: ServerProcess) -> None:
    assert server.invoke(IMAGE, content_type="image/jpeg")[0] == 404


def endpoint(server: ServerProcess, target: str) -> int:
    header = {"x_amzn_sagemaker_target_model": target}
    return server.request("POST", "/endpoints/many/invocations", IMAGE, content_type="image/jpeg", **header)[0]


def test_the_endpoint_loads_on_demand_and_unloads_the_least_recently_used(server: ServerProcess) -> None:
    assert [endpoint(server, name) for name in ("a/model", "b/model", "a/model", "c/model")] == [200] * 4
    assert loaded(server) == ["a/model", "c/model"]
    assert endpoint(server, "shelf/d.tar.gz") == 200
    assert loaded(server) == ["c/model", "shelf/d.tar.gz"]


@pytest.mark.parametrize("target", ["nothing", "../x", "/etc", ".", "a/../..", "a\tb"])
def test_targets_outside_the_folder_are_refused(server: ServerProcess, target: str) -> None:
    status, body, headers = server.request(
        "POST", "/endpoints/many/invocations", IMAGE, x_amzn_sagemaker_target_model=target
    )
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert "does not exist in the folder of models" in json.loads(body)["Message"]


def test_a_target_that_is_no_model_is_the_models_error(server: ServerProcess) -> None:
    assert endpoint(server, "empty") == 424

"""SageMaker's multi-model API on a real process (contract section 8.5), and the endpoint that loads on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract.raw_http import answer_of, connect, head
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
        (b'{"model_name": "a", "url": 7}', "model_name"),
        (b'{"model_name": "a", "url": "a\\u0000b"}', "loaded from below"),
        (b'{"model_name": "a", "url": "\\ud800"}', "loaded from below"),
        (b'{"model_name": "\\ud800", "url": "empty"}', "is empty"),
        (b'{"model_name": "a", "url": "%b"}' % (b"x" * 300), "loaded from below"),
        (b'{"model_name": "%b", "url": "empty"}' % (b"x" * 1025), "1024 characters"),
    ],
)
def test_load_refusals(server: ServerProcess, root: Path, body: bytes, part: str) -> None:
    status, answer, _ = server.request("POST", "/models", body)
    assert status == 400
    sentence = json.loads(answer)["error"]
    assert part in sentence
    assert str(root) not in sentence


@pytest.mark.parametrize(("name", "part"), [("a", "is no model (it is empty)"), ("", "must have 1 to 1024 characters")])
def test_a_folder_without_model_is_a_sentence(server: ServerProcess, root: Path, name: str, part: str) -> None:
    body = json.dumps({"model_name": name, "url": str(root / "empty")}).encode()
    status, answer, _ = server.request("POST", "/models", body)
    assert status == 400
    assert part in json.loads(answer)["error"]


def test_no_single_model(server: ServerProcess) -> None:
    assert server.invoke(IMAGE, content_type="image/jpeg")[0] == 404


STRANGE = ("x" * 300, "%ff", "%ed%a0%80", "a%00b", "..%2f..%2fetc", "%2e%2e", "a//b", "a%0d%0ab")


@pytest.mark.parametrize("name", STRANGE)
def test_strange_names_are_not_found(server: ServerProcess, name: str) -> None:
    for method, path in (("GET", f"/models/{name}"), ("DELETE", f"/models/{name}"), ("POST", f"/models/{name}/invoke")):
        status, body, _ = server.request(method, path, IMAGE if method == "POST" else None)
        assert (status, set(json.loads(body))) == (404, {"error"})


@pytest.mark.parametrize("path", ["x" * 300, "%ff", "a%00b", "..%2fx", ""])
def test_no_endpoint_of_a_strange_name(server: ServerProcess, path: str) -> None:
    for tail in ("/invocations", "/async-invocations", "/invocations/", ""):
        for method in ("POST", "GET"):
            body = IMAGE if method == "POST" else None
            status, answer, headers = server.request(method, f"/endpoints/{path}{tail}", body)
            assert status in (400, 404, 405)
            assert headers["x-amzn-errortype"] in ("ValidationError", "UnknownOperationException")
            assert set(json.loads(answer)) == {"Message"}


def test_one_model_however_its_path_is_written(server: ServerProcess) -> None:
    assert [endpoint(server, name) for name in ("a/model", "./a/model", "a/model/", "b/../a//model")] == [200] * 4
    assert loaded(server) == ["a/model"]


def test_many_clients_of_three_models_with_room_for_two(server: ServerProcess) -> None:
    statuses: list[int] = []

    def client(number: int) -> None:
        for turn in range(6):
            statuses.append(endpoint(server, ("a/model", "b/model", "c/model")[(number + turn) % 3]))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 48


def test_a_slow_body_keeps_no_model_from_its_memory(server: ServerProcess) -> None:
    """Without end, if the bodies are as slow as they may be and there are enough of them."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in "ab"]
        for connection, name in zip(slow, "ab", strict=True):
            assert endpoint(server, f"{name}/model") == 200
            target = f"X-Amzn-SageMaker-Target-Model: {name}/model"
            line = "POST /endpoints/many/invocations HTTP/1.1"
            connection.sendall(head(line, "Host: localhost", target, f"Content-Length: {len(IMAGE)}") + IMAGE[:1])
        assert endpoint(server, "c/model") == 200
        for connection in slow:
            connection.sendall(IMAGE[1:])
            assert answer_of(connection).status == 200


def endpoint(server: ServerProcess, target: str) -> int:
    header = {"x_amzn_sagemaker_target_model": target}
    return server.request("POST", "/endpoints/many/invocations", IMAGE, content_type="image/jpeg", **header)[0]


def test_the_endpoint_loads_on_demand_and_unloads_the_least_recently_used(server: ServerProcess) -> None:
    assert [endpoint(server, name) for name in ("a/model", "b/model", "a/model", "c/model")] == [200] * 4
    assert loaded(server) == ["a/model", "c/model"]
    assert endpoint(server, "shelf/d.tar.gz") == 200
    assert loaded(server) == ["c/model", "shelf/d.tar.gz"]


@pytest.mark.parametrize("target", ["nothing", "../x", "/etc", ".", "a/../..", "a\tb", "x" * 300, "\xe9\xff", "%2e%2e"])
def test_targets_outside_the_folder_are_refused(server: ServerProcess, target: str) -> None:
    status, body, headers = server.request(
        "POST", "/endpoints/many/invocations", IMAGE, x_amzn_sagemaker_target_model=target
    )
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationError")
    assert "does not exist in the folder of models" in json.loads(body)["Message"]


def test_a_target_that_is_no_model_is_the_models_error(server: ServerProcess) -> None:
    assert endpoint(server, "empty") == 424

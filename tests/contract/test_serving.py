"""SageMaker's contract for serving containers, checked on a real process (contract sections 6.1, 8.1 and 8.3)."""

from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract.server_process import ServerProcess, exchange
from tests.serving.small_model import NAMES, picture
from vision.api.model import load
from vision.data.recordio.record import MAGIC, PART_HEADER, pack, padded

JPEG, PNG = picture(1), picture(2, ".png")


@pytest.fixture(scope="module")
def expected(model_folder: Path) -> dict[bytes, list[float]]:
    """What the Python front door says of the same images."""
    predictions = load(model_folder).predict([JPEG, PNG])
    return {image: found.probabilities.tolist() for image, found in zip((JPEG, PNG), predictions, strict=True)}


def framed(*payloads: bytes) -> bytes:
    return b"".join(
        PART_HEADER.pack(MAGIC, len(payload)) + payload + bytes(padded(len(payload)) - len(payload))
        for payload in payloads
    )


def test_ping_is_503_until_the_model_has_answered_then_200_and_empty(server: ServerProcess) -> None:
    assert set(server.pings) == {200, 503}
    status, body, _ = server.request("GET", "/ping")
    assert (status, body) == (200, b"")


def test_serving_imports_nothing_of_training(server: ServerProcess) -> None:
    server.invoke(JPEG)
    imported = set(re.findall(r"^import time:[^|]*\|[^|]*\| +(\w+)", server.log, re.MULTILINE))
    assert {"torch", "cv2", "uvicorn"} < imported
    heavy = {"pytorch_lightning", "lightning_fabric", "torchvision", "torchmetrics", "matplotlib", "hydra", "mxnet"}
    assert not imported & heavy


CONTENT_TYPES = ["application/x-image", "image/jpeg", "image/png", "application/octet-stream", "Image/JPEG; q=1", ""]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("image", [JPEG, PNG])
def test_content_types(
    server: ServerProcess, expected: dict[bytes, list[float]], content_type: str, image: bytes
) -> None:
    status, body, headers = server.invoke(image, content_type=content_type)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == pytest.approx(expected[image], abs=1e-5)
    assert sum(json.loads(body)) == pytest.approx(1)


def test_no_headers_at_all(server: ServerProcess, expected: dict[bytes, list[float]]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(JPEG), JPEG))
        answer = raw.makefile("rb")
        head = b"".join(iter(answer.readline, b"\r\n"))
        assert head.startswith(b"HTTP/1.1 200 ")
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        assert json.loads(answer.read(length)) == pytest.approx(expected[JPEG], abs=1e-5)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/*;q=0.5", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("application/jsonlines", "application/jsonlines"),
        ("text/csv, application/jsonlines;q=0.9", "application/jsonlines"),
        ("application/jsonlines;q=0.3, application/json;q=0.8", "application/json"),
        ("application/json;verbose", "application/json"),
    ],
)
def test_accept(server: ServerProcess, expected: dict[bytes, list[float]], accept: str, form: str) -> None:
    status, body, headers = server.invoke(JPEG, content_type="image/jpeg", accept=accept)
    assert (status, headers["content-type"]) == (200, form)
    answer = json.loads(body)
    if "verbose" in accept:
        assert answer["labels"] == list(NAMES)
        assert answer["predicted_label"] == NAMES[int(np.argmax(expected[JPEG]))]
        answer = answer["probabilities"]
    if form == "application/jsonlines":
        assert body.endswith(b"\n")
        assert body.count(b"\n") == 1
        answer = answer["prediction"]
    assert answer == pytest.approx(expected[JPEG], abs=1e-5)


def test_records_answer_as_list_or_lines(server: ServerProcess, expected: dict[bytes, list[float]]) -> None:
    body = framed(pack(1.0, 7, JPEG), PNG, pack([1.0, 2.0], 8, b"no image"))
    for content_type in ("application/x-recordio", "application/octet-stream"):
        status, answer, _ = server.invoke(body, content_type=content_type)
        assert status == 200
        first, second, third = json.loads(answer)
        assert first == pytest.approx(expected[JPEG], abs=1e-5)
        assert second == pytest.approx(expected[PNG], abs=1e-5)
        assert "record 2" in third["error"]
        assert "not an image" in third["error"]
    _, answer, _ = server.invoke(body, content_type="application/x-recordio", accept="application/jsonlines")
    assert ["prediction" in json.loads(line) for line in answer.splitlines()] == [True, True, False]


BIG = bytes(1 << 20) + b"x"
# A record in a hundred thousand parts, all empty.
SPLIT = PART_HEADER.pack(MAGIC, 1 << 29) + PART_HEADER.pack(MAGIC, 2 << 29) * 100_000 + PART_HEADER.pack(MAGIC, 3 << 29)
REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("an empty body", {"body": b""}, 400, "empty"),
    ("text", {"body": b"hello"}, 400, "text beginning 'hello'"),
    ("cut off", {"body": JPEG[:-40]}, 400, "cut off"),
    ("too many pixels", {"body": picture(3, ".png", 2001, 2000)}, 400, "max_pixels"),
    ("too large", {"body": BIG}, 413, "max_payload_mb"),
    ("a form", {"body": JPEG, "content_type": "multipart/form-data; boundary=x"}, 415, "not a form"),
    ("CSV", {"body": b"1,2", "content_type": "text/csv"}, 415, "text/csv"),
    ("compressed", {"body": JPEG, "content_encoding": "gzip"}, 415, "Content-Encoding"),
    ("CSV wanted", {"body": JPEG, "accept": "text/csv"}, 406, "application/jsonlines"),
    ("boxes of a classifier", {"body": JPEG, "accept": "application/json;annotation=1"}, 406, "annotation=1"),
    ("nothing wanted", {"body": JPEG, "accept": "application/json;q=0"}, 406, "q=0"),
    ("no records", {"body": b"", "content_type": "application/x-recordio"}, 400, "at least one record"),
    ("many parts", {"body": SPLIT, "content_type": "application/x-recordio"}, 400, "have 16384 parts or more"),
    ("no magic", {"body": JPEG, "content_type": "application/x-recordio"}, 400, "record magic"),
    ("a lying record", {"body": PART_HEADER.pack(MAGIC, 1 << 20) + b"1234"}, 400, "ends at byte"),
    ("too many records", {"body": framed(*[pack(1.0, 7, b"")] * 9)}, 413, "8 records"),
    ("only bad records", {"body": framed(pack(1.0, 7, b"zzz"))}, 400, "record 0"),
    ("long attributes", {"body": JPEG, "x_amzn_sagemaker_custom_attributes": "a" * 1025}, 400, "1024"),
]


@pytest.mark.parametrize(("arguments", "status", "part"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED])
def test_refusals_say_one_sentence(server: ServerProcess, arguments: dict[str, Any], status: int, part: str) -> None:
    arguments.setdefault("content_type", "application/octet-stream")
    found, body, headers = server.invoke(**arguments)
    assert (found, headers["content-type"]) == (status, "application/json")
    sentence = json.loads(body)["error"]
    assert part in sentence
    assert "\n" not in sentence
    assert len(sentence) < 400


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/invocations", 405), ("GET", "/models", 404)])
def test_other_routes(server: ServerProcess, method: str, path: str, status: int) -> None:
    found, body, _ = server.request(method, path)
    assert found == status
    assert "error" in json.loads(body)


def test_bodies_in_chunks_are_counted_while_they_come(server: ServerProcess) -> None:
    def chunks(total: int) -> Any:
        for _ in range(total // 65536):
            yield bytes(65536)

    connection = server.connect()
    connection.request("POST", "/invocations", chunks(3 << 20), {"Content-Type": "image/jpeg"}, encode_chunked=True)
    assert connection.getresponse().status == 413


def test_a_declared_size_is_refused_before_it_is_sent(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
        raw.sendall(head)
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_custom_attributes_come_back(server: ServerProcess) -> None:
    _, _, headers = server.invoke(JPEG, x_amzn_sagemaker_custom_attributes="trace=7,c=d")
    assert headers["x-amzn-sagemaker-custom-attributes"] == "trace=7,c=d"


def test_execution_parameters(server: ServerProcess) -> None:
    status, body, _ = server.request("GET", "/execution-parameters")
    found = json.loads(body)
    assert status == 200
    assert set(found) == {"MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"}
    assert found["BatchStrategy"] == "SINGLE_RECORD"
    assert found["MaxConcurrentTransforms"] * found["MaxPayloadInMB"] <= 100


def test_one_bad_image_fails_alone_under_load(server: ServerProcess, expected: dict[bytes, list[float]]) -> None:
    found: list[tuple[int, bytes]] = []

    def client(number: int) -> None:
        connection = server.connect()
        for turn in range(8):
            body = b"bad" if (number + turn) % 4 == 0 else JPEG
            found.append(exchange(connection, "POST", "/invocations", body)[:2])
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    statuses = [server.request("GET", "/ping")[0] for _ in range(5)]
    for thread in threads:
        thread.join()
    assert statuses == [200] * 5
    assert sorted(status for status, _ in found) == [200] * 48 + [400] * 16
    for status, body in found:
        if status == 200:
            assert json.loads(body) == pytest.approx(expected[JPEG], abs=1e-5)


def test_metrics_count_requests_and_batches(server: ServerProcess) -> None:
    def value(series: str) -> float:
        text = server.request("GET", "/metrics")[1].decode()
        found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    series = ('vision_requests_total{route="invocations",status="200"}', "vision_batch_images_sum")
    before = [value(name) for name in series]
    server.invoke(JPEG)
    assert [value(name) for name in series] == [count + 1 for count in before]
    assert value("vision_ready_workers") == value("vision_loaded_models") == 1
    assert value("vision_requests_in_work") == 0

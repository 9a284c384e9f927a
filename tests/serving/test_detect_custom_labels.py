from __future__ import annotations

import asyncio
import base64
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.asgi import Answered, post, silent, whole
from tests.serving.small_model import picture, write_model
from vision.algorithms.algorithm import ScoredLabel
from vision.algorithms.facts import Capabilities
from vision.serving.app import build_app
from vision.serving.detect_custom_labels import (
    MOST_IMAGE_BYTES,
    TARGET,
    LabelRequest,
    custom_labels,
    read_label_request,
)
from vision.serving.metrics import Metrics
from vision.serving.request_failure import ExceptionByName
from vision.serving.service import Service
from vision.serving.settings import ServingSettings

NAMES = ("cat", "dog", "owl")
FOUND = [ScoredLabel(1, 0.7), ScoredLabel(0, 0.25), ScoredLabel(2, 0.05)]
CAT, DOG, OWL = (
    {"Name": "cat", "Confidence": 25.0},
    {"Name": "dog", "Confidence": 70.0},
    {"Name": "owl", "Confidence": 5.0},
)


@pytest.mark.parametrize(
    ("least", "most", "thresholds", "expected"),
    [
        (0.0, None, {}, [DOG, CAT, OWL]),
        (25.0, None, {}, [DOG, CAT]),
        (25.0, None, {"dog": 0.9}, [DOG, CAT]),
        (100.0, None, {"dog": 0.1}, []),
        (0.0, 1, {}, [DOG]),
        (0.0, 0, {}, []),
        (None, None, {}, [DOG]),
        (None, None, {"dog": 0.70001, "cat": 0.25, "owl": 0.051}, [CAT]),
        (None, None, {"owl": 0.05}, [DOG, OWL]),
        (None, 1, {"owl": 0.05}, [DOG]),
    ],
)
def test_thresholds_and_results(
    least: float | None, most: int | None, thresholds: dict[str, float], expected: list[dict[str, Any]]
) -> None:
    asked = LabelRequest("arn", b"", least, most)
    assert custom_labels(FOUND, NAMES, asked, thresholds) == expected


def test_a_confidence_is_as_exact_as_the_score() -> None:
    found = [ScoredLabel(0, float(np.float32(0.1))), ScoredLabel(1, float(np.float32(3.5e-9)))]
    labels = custom_labels(found, NAMES, LabelRequest("arn", b"", 0.0, None), {})
    assert json.dumps([label["Confidence"] for label in labels]) == "[10.0, 3.5e-07]"


def test_a_box_as_left_top_width_height() -> None:
    asked = LabelRequest("arn", b"", None, None)
    (label,) = custom_labels([ScoredLabel(2, 0.5, (0.125, 0.25, 0.5, 1.0))], NAMES, asked, {})
    box = {"Left": 0.125, "Top": 0.25, "Width": 0.375, "Height": 0.75}
    assert label == {"Name": "owl", "Confidence": 50.0, "Geometry": {"BoundingBox": box}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels")
    for seed, name in ((1, "birds"), (2, "second")):
        write_model(folder / name, seed)
    return folder


def service(model: Path, **settings: Any) -> Service:
    return Service(ServingSettings.parse({"model": model, "device": "cpu", **settings}), Metrics())


def content(arn: str) -> bytes:
    image = base64.b64encode(picture(1)).decode()
    return json.dumps({"ProjectVersionArn": arn, "Image": {"Bytes": image}, "MinConfidence": 0}).encode()


def detect(made: Service, arn: str = "any") -> Answered:
    return asyncio.run(post(build_app(made), whole(content(arn)), "/", x_amz_target=TARGET))


def test_several_models_are_named_by_version_project_or_whole_arn(root: Path) -> None:
    made = service(root, multi_model=True)
    assert made.store is not None
    for name in ("birds", "second"):
        asyncio.run(made.store.load(name, str(root / name)))
    start = "arn:aws:rekognition:eu-west-1:123456789012:project"
    answers = {
        arn: json.loads(detect(made, arn).body)
        for arn in ("birds", "second", f"{start}/birds/version/v1/1", f"{start}/birds/version/second/1")
    }
    first, second, project, version = answers.values()
    assert first != second
    assert (project, version) == (first, second)
    refused = detect(made, f"{start}/fish/version/v1/1")
    assert refused.status == 400
    error = json.loads(refused.body)
    assert error["__type"] == "ResourceNotFoundException"
    assert "loaded are 'birds, second'" in error["message"]


@pytest.mark.parametrize(
    ("settings", "receive", "status", "kind"),
    [
        ({"max_payload_mb": 1e-4}, whole(content("any")), 400, "ImageTooLargeException"),
        ({"timeout_s": 0.05}, silent, 408, "RequestTimeoutException"),
        ({"max_requests": 1}, whole(content("any")), 500, "ThrottlingException"),
    ],
)
def test_the_servers_own_limits(root: Path, settings: dict[str, Any], receive: Any, status: int, kind: str) -> None:
    made = service(root / "birds", **settings)
    made.in_work = int("max_requests" in settings)
    answered = asyncio.run(post(build_app(made), receive, "/", x_amz_target=TARGET))
    assert (answered.status, json.loads(answered.body)["__type"]) == (status, kind)


def test_an_algorithm_without_labels_refuses(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = service(root / "birds")
    algorithm = made.model.model.algorithm
    monkeypatch.setattr(type(algorithm), "facts", replace(algorithm.facts, capabilities=Capabilities()))
    answered = detect(made)
    error = json.loads(answered.body)
    assert (answered.status, error["__type"]) == (400, "InvalidParameterException")
    assert error["message"] == ("a model of Image Classification finds no custom labels; ask it by POST /invocations")


def test_a_failure_of_the_server_is_no_fault_of_the_client(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = service(root / "birds")
    monkeypatch.setattr(made.model.model.algorithm, "scored_labels", lambda prediction: 1 / 0)
    answered = detect(made)
    assert answered.status == 500
    assert json.loads(answered.body)["__type"] == "InternalServerError"
    assert answered.headers["content-type"] == "application/x-amz-json-1.1"


IMAGE = picture(3)
TEXT = base64.b64encode(IMAGE).decode()
MAX_PIXELS = 10_000


def body(**changes: Any) -> bytes:
    values = {"ProjectVersionArn": "arn", "Image": {"Bytes": TEXT}, **changes}
    return json.dumps(values).encode()


def wide_png(width: int, height: int) -> str:
    """The header of a PNG, which declares more than is there."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return base64.b64encode(png).decode()


@pytest.mark.parametrize(
    ("changes", "least", "most"),
    [
        ({}, None, None),
        ({"MinConfidence": 0, "MaxResults": 0}, 0, 0),
        ({"MinConfidence": 100, "MaxResults": 3}, 100, 3),
        ({"MinConfidence": 62.5, "Other": [1]}, 62.5, None),
        ({"MinConfidence": None, "MaxResults": None}, None, None),
        ({"Image": {"Bytes": TEXT, "S3Object": None}}, None, None),
    ],
)
def test_what_is_asked(changes: dict[str, Any], least: float | None, most: int | None) -> None:
    assert read_label_request(body(**changes), MAX_PIXELS) == LabelRequest("arn", IMAGE, least, most)


@pytest.mark.parametrize(
    ("content", "kind", "part"),
    [
        (b"", "SerializationException", "a JSON object is needed"),
        (b"\xff\xfe", "SerializationException", "a JSON object is needed"),
        (b"[]", "SerializationException", "a JSON object is needed"),
        (b"[" * 100_000, "SerializationException", "thousands of values"),
        (b'{"a":[' + b"0," * 100_000 + b"0]}", "SerializationException", "thousands of values"),
        (b'{"MaxResults":' + b"9" * 100_000 + b"}", "SerializationException", "a JSON object is needed"),
        (b"{}", "InvalidParameterException", "ProjectVersionArn is None"),
        (body(ProjectVersionArn=""), "InvalidParameterException", "ProjectVersionArn is ''"),
        (body(ProjectVersionArn="a" * 2049), "InvalidParameterException", "1 to 2048 characters"),
        (body(ProjectVersionArn=[1]), "InvalidParameterException", "ProjectVersionArn is [1]"),
        (body(MinConfidence=-0.1), "InvalidParameterException", "MinConfidence is -0.1"),
        (body(MinConfidence=100.5), "InvalidParameterException", "MinConfidence is 100.5"),
        (body(MinConfidence=float("nan")), "InvalidParameterException", "MinConfidence is nan"),
        (body(MinConfidence=10**4000), "InvalidParameterException", "MinConfidence is 1000"),
        (body(MinConfidence="50"), "InvalidParameterException", "MinConfidence is '50'"),
        (body(MinConfidence=True), "InvalidParameterException", "MinConfidence is True"),
        (body(MaxResults=-1), "InvalidParameterException", "MaxResults is -1"),
        (body(MaxResults=1.5), "InvalidParameterException", "MaxResults is 1.5"),
        (body(MaxResults=True), "InvalidParameterException", "MaxResults is True"),
        (body(Image=None), "InvalidParameterException", "Image is missing"),
        (body(Image=TEXT), "InvalidParameterException", "Image is missing"),
        (body(Image={}), "InvalidParameterException", "Image.Bytes is missing"),
        (body(Image={"Bytes": ""}), "InvalidParameterException", "Image.Bytes is missing"),
        (body(Image={"Bytes": TEXT, "S3Object": {"Name": "a"}}), "InvalidParameterException", "give Bytes alone"),
        (body(Image={"S3Object": {"Bucket": "b", "Name": "k"}}), "InvalidS3ObjectException", "send the file as"),
        (body(Image={"Bytes": "abc"}), "SerializationException", "is not base64"),
        (body(Image={"Bytes": "ab*d"}), "SerializationException", "is not base64"),
        (body(Image={"Bytes": "\u20ac" * 4}), "SerializationException", "is not base64"),
        (body(Image={"Bytes": "A" * (MOST_IMAGE_BYTES // 3 * 4 + 8)}), "ImageTooLargeException", "4194304"),
        (body(Image={"Bytes": wide_png(101, 100)}), "ImageTooLargeException", "101x100 pixels, more than the 10000"),
    ],
)
def test_what_is_refused(content: bytes, kind: str, part: str) -> None:
    with pytest.raises(ExceptionByName) as caught:
        read_label_request(content, MAX_PIXELS)
    assert (caught.value.status, caught.value.kind) == (400, kind)
    assert part in caught.value.sentence


def test_deep_nesting_is_refused() -> None:
    """Before it is parsed or, in Pythons that parse so deep, for what it lacks."""
    with pytest.raises(ExceptionByName) as caught:
        read_label_request(b'{"a":' * 3000 + b"1" + b"}" * 3000, MAX_PIXELS)
    assert caught.value.status == 400


def test_bytes_that_are_no_image_are_left_to_the_decoder() -> None:
    assert read_label_request(body(Image={"Bytes": "AAAA"}), MAX_PIXELS).image == bytes(3)

from __future__ import annotations

import asyncio
import base64
import json
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
from vision.serving.custom_labels import TARGET, custom_labels
from vision.serving.label_request import LabelRequest
from vision.serving.metrics import Metrics
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

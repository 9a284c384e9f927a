"""The detector's answers (contract section 6.1) from the service itself, over ASGI: no process is needed for them."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
import torch

from tests.algorithms.object_detection.small_detector import small_plan
from tests.contract.in_process_client import rekognition
from tests.serving.asgi import post, whole
from tests.serving.small_model import picture
from vision import algorithms
from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import save_model
from vision.serving.app import build_app
from vision.serving.metrics import Metrics
from vision.serving.service import Service
from vision.serving.settings import ServingSettings

WIDTH, HEIGHT = 200, 120
IMAGE = picture(1, width=WIDTH, height=HEIGHT)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    algorithm = algorithms.get("object_detection")
    plan = small_plan()
    values = {"num_classes": 2, "num_training_samples": 8, "base_network": "resnet-18", "image_shape": 300}
    hp = algorithm.facts.hyperparameters.parse(values)
    torch.manual_seed(0)
    description = ModelDescription(
        algorithm=algorithm.facts.name,
        architecture=plan.model_dump(mode="json"),
        hyperparameters=hp.to_strings(),
        class_names=("cell", "plate"),
        preprocessing=algorithm.preprocessing(hp, plan),
        metrics={},
        epoch=1,
    )
    folder = tmp_path_factory.mktemp("detector")
    save_model(folder, description, algorithm.build_network(plan).state_dict())
    return Service(ServingSettings.parse({"model": folder, "device": "cpu"}), Metrics())


def invoke(service: Service, accept: str) -> tuple[int, str, bytes]:
    """(status, content type, body) of one request."""
    answered = asyncio.run(post(build_app(service), whole(IMAGE), content_type="image/jpeg", accept=accept))
    return answered.status, answered.headers["content-type"], answered.body


def test_rows_of_class_score_and_corners(service: Service) -> None:
    status, kind, body = invoke(service, "application/json")
    assert (status, kind) == (200, "application/json")
    answer = json.loads(body)
    assert set(answer) == {"prediction"}
    rows = np.array(answer["prediction"])
    assert rows.shape[1] == 6
    assert set(rows[:, 0]) <= {0.0, 1.0}
    assert all(isinstance(value, float) for row in answer["prediction"] for value in row)
    assert np.all(np.diff(rows[:, 1]) <= 0)
    assert rows.min() >= 0
    assert rows[:, 1:].max() <= 1


def test_lines_hold_the_same(service: Service) -> None:
    status, kind, body = invoke(service, "application/jsonlines")
    assert (status, kind) == (200, "application/jsonlines")
    assert body.count(b"\n") == 1
    assert json.loads(body) == json.loads(invoke(service, "*/*")[2])


def test_annotations_are_in_pixels_of_the_image_that_was_sent(service: Service) -> None:
    status, kind, body = invoke(service, "application/json;annotation=1")
    assert (status, kind) == (200, "application/json")
    answer = json.loads(body)
    assert answer["image_size"] == [{"width": WIDTH, "height": HEIGHT, "depth": 3}]
    rows = json.loads(invoke(service, "application/json")[2])["prediction"]
    assert len(answer["annotations"]) == len(rows)
    for found, (class_id, score, left, top, right, bottom) in zip(answer["annotations"], rows, strict=True):
        assert (found["class_id"], found["score"]) == (int(class_id), pytest.approx(score))
        corners = (found["left"], found["top"], found["left"] + found["width"], found["top"] + found["height"])
        assert corners[:2] == pytest.approx((left * WIDTH, top * HEIGHT), abs=0.51)
        # A box thinner than a pixel takes one.
        least = (corners[0] + 1, corners[1] + 1)
        for edge, exact, thin in zip(corners[2:], (right * WIDTH, bottom * HEIGHT), least, strict=True):
            assert edge == pytest.approx(exact, abs=0.51) or edge == thin


def test_pictures_are_no_answer(service: Service) -> None:
    status, _, body = invoke(service, "image/png")
    assert status == 406
    assert "application/json;annotation=1" in json.loads(body)["error"]


def test_rekognitions_custom_labels_have_boxes(service: Service) -> None:
    client = rekognition(app=build_app(service))
    arn = "arn:aws:rekognition:us-east-1:123456789012:project/cells/version/v1/1"
    asked = {"ProjectVersionArn": arn, "Image": {"Bytes": IMAGE}, "MinConfidence": 0}
    labels = client.detect_custom_labels(**asked)["CustomLabels"]
    rows = json.loads(invoke(service, "application/json")[2])["prediction"]
    assert len(labels) == len(rows) > 1
    for label, (class_id, score, left, top, right, bottom) in zip(labels, rows, strict=True):
        assert label["Name"] == ("cell", "plate")[int(class_id)]
        assert label["Confidence"] == pytest.approx(100 * score, abs=1e-3)
        box = label["Geometry"]["BoundingBox"]
        expected = {"Left": left, "Top": top, "Width": right - left, "Height": bottom - top}
        assert box == pytest.approx(expected, abs=2e-6)
    assert client.detect_custom_labels(**asked, MaxResults=1)["CustomLabels"] == labels[:1]

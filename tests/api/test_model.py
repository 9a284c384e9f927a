from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.api.conftest import NAMES, picture
from vision.api import Model, RunResult, load
from vision.settings.errors import DataError


@pytest.fixture(scope="module")
def model(trained: RunResult) -> Model:
    return load(trained.folder.archive)


def test_all_kinds_of_images_answer_alike(model: Model, tmp_path: Path) -> None:
    encoded = picture(1, np.random.default_rng(7))
    path = tmp_path / "green.png"
    path.write_bytes(encoded)
    pixels = cv2.cvtColor(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    answers = model.predict([encoded, path, str(path), pixels])
    assert len({answer.probabilities.tobytes() for answer in answers}) == 1
    assert answers[0].probabilities.sum() == pytest.approx(1)
    assert model.predict(encoded)[0].class_id == answers[0].class_id


def test_description_is_json_with_names(model: Model) -> None:
    answer = model.predict(picture(2, np.random.default_rng(8)))[0]
    described = json.loads(json.dumps(model.describe(answer)))
    assert described["prediction"] == pytest.approx(answer.probabilities.tolist(), abs=1e-7)
    assert described["label"] == NAMES[answer.class_id]
    assert described["top"][0]["label"] == described["label"]


def test_one_broken_image_disturbs_no_other(model: Model) -> None:
    rng = np.random.default_rng(9)
    files = [(f"{number}.png", picture(number % 3, rng)) for number in range(5)]
    files[2] = ("2.png", b"nothing to see")
    answers = dict(model.predict_files(files, batch_size=2))
    assert list(answers) == [name for name, _ in files]
    assert "not an image" in answers["2.png"]["error"]
    assert all("prediction" in answers[name] for name, _ in files if name != "2.png")


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (np.zeros((4, 4), np.uint8), "uint8 [height, width, 3] in RGB is expected"),
        (np.zeros((4, 4, 3), np.float32), "is an array float32"),
        ("no/such/file.jpg", "cannot be read"),
        (b"", "image 0"),
    ],
)
def test_wrong_images_are_named(model: Model, image: object, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        model.predict([image])  # type: ignore[list-item]
    assert problem in str(caught.value)

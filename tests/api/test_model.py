from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.api.conftest import NAMES, job, picture
from tests.interop.models import pack, write_model, write_shapes
from vision.api import Model, RunResult, load, train
from vision.api.model import open_model, read_pixels
from vision.artifacts.model_folder import load_model
from vision.interop.mxnet_import import import_mxnet
from vision.settings.errors import DataError, UserError
from vision.settings.run import RunSettings


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


def test_arrays_and_pillow_images_are_read_as_files_are() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    grey = rgb[..., 0]
    turned = Image.fromarray(rgb)
    # Orientation 6: the first row is the right side.
    turned.getexif()[0x0112] = 6
    for image, expected in (
        (rgb, rgb),
        (np.dstack([rgb, grey]), rgb),
        (grey, np.dstack([grey] * 3)),
        (grey[..., None], np.dstack([grey] * 3)),
        (Image.fromarray(grey), np.dstack([grey] * 3)),
        (Image.fromarray(np.dstack([rgb, grey])), rgb),
        (turned, np.rot90(rgb, -1)),
    ):
        pixels, key = read_pixels(image, 3)
        np.testing.assert_array_equal(pixels, expected)
        assert key == "image 3"


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
        (np.zeros((4, 4, 2), np.uint8), "uint8 [height, width, 3] in RGB is expected"),
        (np.zeros((4, 4, 3), np.float32), "is an array float32"),
        (Image.new("I;16", (4, 4)), "of mode I;16; convert it to 8 bits"),
        (7, "is of the type int; give a path, bytes, an array or a Pillow image"),
        ("no/such/file.jpg", "cannot be read"),
        (b"", "image 0"),
    ],
)
def test_wrong_images_are_named(model: Model, image: object, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        model.predict([image])  # type: ignore[list-item]
    assert problem in str(caught.value)


def test_what_is_no_image_at_all_is_named(model: Model) -> None:
    with pytest.raises(DataError, match="is of the type NoneType; give a path"):
        model.predict(None)  # type: ignore[arg-type]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_model(tmp_path / "files")
    write_shapes(tmp_path / "files", (8, 3, 28, 28))
    return pack(tmp_path / "files", tmp_path / "model.tar.gz")


def test_an_archive_of_sagemaker_opens_like_ours(archive: Path, caplog: pytest.LogCaptureFixture) -> None:
    stored = open_model(archive, RunSettings.parse({"class_names": "ant,bee,cat"}))
    assert stored.class_names == ("ant", "bee", "cat")
    assert stored.hyperparameters["mini_batch_size"] == "8"
    assert stored.state_dict()["resnet.fc1.weight"].shape == (3, 12)
    assert "raw RGB" in caplog.text


def test_class_names_must_fit(archive: Path) -> None:
    with pytest.raises(UserError, match="labels has 2 names"):
        open_model(archive, RunSettings.parse({"class_names": "ant,bee"}))


def test_the_unpacked_copy_goes_with_the_model(archive: Path) -> None:
    stored = open_model(archive, RunSettings())
    folder = stored._folder
    assert folder.exists()
    del stored
    assert not folder.exists()


def test_training_goes_on_from_an_archive_of_sagemaker(tmp_path: Path, channels: dict[str, str]) -> None:
    """At a rate of 0 the weights stay as they were imported."""
    write_model(tmp_path / "files")
    write_shapes(tmp_path / "files", (8, 3, 16, 16))
    (tmp_path / "channel").mkdir()
    pack(tmp_path / "files", tmp_path / "channel" / "model.tar.gz")
    given = {**channels, "model": str(tmp_path / "channel")}
    result = train(job(given, tmp_path / "run", learning_rate=0, epochs=1))
    imported = import_mxnet(tmp_path / "files").state_dict
    found = load_model(result.folder.model).state_dict()
    weights = [name for name in imported if "running" not in name and not name.endswith("num_batches_tracked")]
    assert len(weights) > 40
    assert all(torch.equal(imported[name], found[name]) for name in weights)

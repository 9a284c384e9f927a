"""The classical ways: what is measured, and that their arrays answer as scikit-learn does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import vision
from tests.algorithms.conformance import served
from tests.api.conftest import picture
from vision.algorithms.image_classification import classical_fit
from vision.algorithms.image_classification.classical_features import (
    color,
    edges,
    hog,
    local_descriptors,
    texture,
    words,
)
from vision.algorithms.image_classification.classical_fit import KINDS, fit_classical
from vision.algorithms.image_classification.classical_network import ClassicalArchitecture, ClassicalClassifier
from vision.cli.main import main
from vision.settings.errors import UserError

SIDE_PX = 128


def stripes(angle_deg: float, period_px: float = 16.0) -> np.ndarray:
    """Soft stripes uint8 [H, W, 3] whose brightness changes along an angle."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    along = x * np.cos(np.radians(angle_deg)) + y * np.sin(np.radians(angle_deg))
    gray = 127 + 100 * np.sin(2 * np.pi * along / period_px)
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)


def plain(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.full((SIDE_PX, SIDE_PX, 3), rgb, np.uint8)


@pytest.mark.parametrize(("angle_deg", "bins"), [(0, (0,)), (90, (4, 5)), (40, (2,))])
def test_hog_finds_the_angle(angle_deg: float, bins: tuple[int, ...]) -> None:
    """Nine bins of 20 degrees; 90 degrees lie between the fifth and the sixth."""
    found = hog(stripes(angle_deg))
    assert found.shape == (7 * 7 * 4 * 9,)
    by_angle = found.reshape(-1, 9).sum(axis=0)
    assert set(np.argsort(-by_angle)[: len(bins)].tolist()) == set(bins)
    assert not hog(plain((7, 200, 9))).any()


def test_color_counts_pixels() -> None:
    half = plain((255, 0, 0))
    half[:, SIDE_PX // 2 :] = (0, 0, 255)
    found = color(half)
    # Roots of shares: two colors in the whole image, one in each quarter.
    np.testing.assert_allclose(np.sort(found[:128])[-2:], np.sqrt(0.5), rtol=1e-6)
    assert (found[128:] == 1).sum() == 4
    assert np.count_nonzero(found) == 6


def test_texture_knows_grain_and_waves() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    flat, grain = texture(plain((9, 9, 9))), texture(noise)
    assert flat.shape == grain.shape == (2 * 59 + 2 * 12,)
    # A flat image has the pattern of eight equal neighbors only; noise has mostly patterns that are not uniform.
    assert np.count_nonzero(flat[:59]) == 1
    assert grain[58] == grain[:59].max()
    along, across = (texture(stripes(angle, 8.0))[118:].reshape(3, 4, 2)[1, :, 0] for angle in (0, 90))
    assert along.argmax() == 0
    assert across.argmax() == 2


def test_edges_are_where_they_are() -> None:
    image = plain((0, 0, 0))
    image[:, 72:] = 255
    found = edges(image)
    cells = found[:64].reshape(8, 8)
    assert (cells[:, 4] > 0.05).all()
    assert not np.delete(cells, 4, axis=1).any()
    # All edges are upright: brightness changes along x.
    assert found[64:].argmax() == 0
    assert not edges(plain((40, 40, 40))).any()


def test_words_are_the_nearest_of_the_codebook() -> None:
    coarse = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    descriptors = local_descriptors(image)
    codebook = descriptors[:3]
    distances = ((descriptors[:, None] - codebook[None]) ** 2).sum(axis=2)
    expected = np.bincount(distances.argmin(axis=1), minlength=3) / len(descriptors)
    np.testing.assert_allclose(words(image, codebook) ** 2, expected, rtol=1e-5)
    assert not words(plain((1, 2, 3)), codebook).any()


@pytest.fixture(scope="module")
def problem() -> tuple[np.ndarray, np.ndarray]:
    """Features float32 [60, 12] of three classes that lie close together, and the classes."""
    rng = np.random.default_rng(0)
    targets = np.arange(60) % 3
    return (rng.normal(size=(60, 12)) + targets[:, None]).astype(np.float32), targets


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("method", ["linear", "forest"])
def test_the_arrays_answer_as_scikit_learn(
    method: classical_fit.Method, num_classes: int, problem: tuple[np.ndarray, np.ndarray]
) -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    features, targets = problem
    features, targets = features[targets < num_classes], targets[targets < num_classes]
    way = classical_fit._try(("color",), method, features, targets, num_classes, 0)
    network = classical_fit._network(way, features, targets, num_classes, np.zeros((1, 128), np.float32), 0)
    logits = network.logits(torch.from_numpy(features)).numpy()
    if method == "forest":
        forest = RandomForestClassifier(200, max_depth=64, random_state=0).fit(features, targets)
        np.testing.assert_allclose(np.exp(logits), np.maximum(forest.predict_proba(features), 1e-3), rtol=1e-5)
        return
    svm = make_pipeline(StandardScaler(), LinearSVC(C=way.penalty, dual=True, random_state=0)).fit(features, targets)
    expected = svm.decision_function(features)
    # Both up to the one factor that makes probabilities of them.
    found = logits[:, 1] if num_classes == 2 else logits
    np.testing.assert_allclose(found / found.std(), expected / expected.std(), rtol=1e-3, atol=1e-3)
    assert (logits.argmax(axis=1) == svm.predict(features)).all()


def test_a_damaged_forest_ends() -> None:
    plan = ClassicalArchitecture(
        num_classes=2, kinds=("color",), num_words=0, num_features=4, classifier="forest", trees=1, nodes=2
    )
    network = ClassicalClassifier(plan)
    # Two nodes that lead to each other, a child that is not there, and a feature that is not there.
    network.get_buffer("left").copy_(torch.tensor([[1, 0]]))
    network.get_buffer("right").copy_(torch.tensor([[-5, 99]]))
    network.get_buffer("feature").copy_(torch.tensor([[0, 77]]))
    assert network.logits(torch.zeros(3, 4)).shape == (3, 2)


def test_a_class_without_images_is_not_chosen() -> None:
    images = np.stack([plain((200, 0, 0)), plain((0, 0, 200))] * 4)
    network, table = fit_classical(images, np.array([0, 2] * 4), 3, seed=0)
    assert len(table.rows) == 2 * (len(KINDS) + 1)
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    assert network(batch).argmax(dim=1).tolist() == [0, 2] * 4


def test_what_is_missing_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([plain((200, 0, 0))] * 4)
    with pytest.raises(UserError, match="at least two classes"):
        fit_classical(images, np.zeros(4, np.int64), 2, seed=0)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UserError, match=r"pip install 'vision\[baseline\]'"):
        fit_classical(images, np.zeros(4, np.int64), 2, seed=0)


def test_a_folder_of_photos_becomes_a_yardstick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(classical_fit, "_TREES", 5)
    rng = np.random.default_rng(0)
    for label, name in enumerate(("red", "green", "blue")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(10):
            (folder / f"{number}.png").write_bytes(picture(label, rng, size=40 + number))
    (tmp_path / "photos" / "red" / "broken.png").write_bytes(b"no picture")
    run = tmp_path / "run"
    assert main(["baseline", str(tmp_path / "photos"), f"run.output={run}", "run.device=cpu"]) == 0
    shown = capsys.readouterr()
    assert "31 images" in shown.err
    assert "Classical ways" in shown.out
    assert "Classical ways" in (run / "report" / "report.html").read_text()
    assert {path.suffix for path in (run / "model").iterdir()} == {".json", ".safetensors"}
    model = vision.load(run, run={"device": "cpu"})
    assert model.predict(tmp_path / "photos" / "blue" / "3.png")[0].label == "blue"
    metrics = json.loads((run / "report" / "evaluation.json").read_text())["metrics"]
    assert vision.evaluate(run, run={"device": "cpu"}).metrics == metrics
    assert metrics["accuracy"] > 0.9
    stored = json.loads((run / "model" / "model.json").read_text())
    assert stored["metrics"] == {f"validation_{name}": value for name, value in metrics.items()}
    card = (run / "model_card.md").read_text()
    assert "accuracy" in card and "epoch" not in card.partition("## Input")[0]
    answered = served(run, (tmp_path / "photos" / "red" / "0.png").read_bytes(), content_type="image/png")
    assert answered.status == 200
    assert int(np.argmax(json.loads(answered.body))) == model.class_names.index("red")
    assert vision.compare(run, run, run={"device": "cpu"}, resamples=100).decisive.difference.value == 0
    # It is the yardstick of a network that is trained on the same photos.
    small = ["hp.num_layers=20", "hp.image_shape=3,16,16", "hp.resize=16", "hp.epochs=1", "run.device=cpu"]
    assert main(["train", str(tmp_path / "photos"), f"run.output={tmp_path / 'network'}", *small]) == 0
    assert f"The baseline in {run}," in " ".join(capsys.readouterr().out.split())
    assert main(["export", f"model={run}", "format=onnx", f"output={tmp_path / 'x.onnx'}"]) == 2
    assert "A baseline cannot be exported" in capsys.readouterr().err
    assert main(["baseline", str(tmp_path / "photos"), f"run.output={run}"]) == 2
    assert "already holds a run" in capsys.readouterr().err


def test_images_of_several_classes_are_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0.png").write_bytes(picture(0, np.random.default_rng(0)))
    (tmp_path / "train.lst").write_text("0\t1\t1\t0.png\n")
    assert main(["baseline", str(tmp_path / "train.lst")]) == 2
    said = "vision baseline needs one class an image, but the labels here are several classes an image"
    assert said in capsys.readouterr().err

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.algorithms.object_detection.small_detector import job, scene, small_plan, use_small_networks, write_scenes
from vision.algorithms.object_detection.algorithm import ALGORITHM, ObjectDetection
from vision.algorithms.object_detection.transforms import PlainResize
from vision.api import RunResult, load, train
from vision.artifacts.model_folder import load_model
from vision.settings.errors import SettingsError


@pytest.fixture(scope="module", autouse=True)
def small_networks() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch)
        yield


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("scenes")
    return {
        "train": str(write_scenes(folder / "train.rec", 8, seed=0, without_objects=1)),
        "validation": str(write_scenes(folder / "validation.rec", 6, seed=0, without_objects=1)),
    }


@pytest.fixture(scope="module")
def overfitted(channels: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Six of the eight training images, learned by heart without augmentation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ObjectDetection, "transform", lambda _, hp, stage: PlainResize(hp.image_shape))
        run = {"class_names": "green,violet", "seed": 3}
        output = tmp_path_factory.mktemp("runs") / "overfitted"
        return train(job(channels, output, run, mini_batch_size=8, epochs=30))


def weights_of(result: RunResult) -> dict[str, torch.Tensor]:
    return load_model(result.folder.model).state_dict()


def test_the_loss_is_the_sum_of_both_and_both_go_down(overfitted: RunResult) -> None:
    first, last = overfitted.history[0], overfitted.history[-1]
    for name in ("cross_entropy", "smooth_l1"):
        assert last[f"train_{name}"] < first[f"train_{name}"]
    assert last["train_loss"] == pytest.approx(last["train_cross_entropy"] + last["train_smooth_l1"])


def test_report_has_its_parts(overfitted: RunResult) -> None:
    evaluation = overfitted.evaluation
    tables = {table.title: table for table in evaluation.tables}
    thresholds, per_class, anchors = (
        tables[title] for title in ("Labels at the assumed thresholds", "Per class", "Anchors")
    )
    assert [row[0] for row in per_class.rows] == ["green", "violet"]
    stored = load(overfitted.folder.path).stored.assumed_thresholds
    assert stored == pytest.approx({str(row[0]): row[1] for row in thresholds.rows})
    assert anchors.rows[-1][:2] == ("all", sum(int(row[1] or 0) for row in anchors.rows[:-1]))
    assert evaluation.matrices[0].row_labels == ("green", "violet", "background")
    assert list(evaluation.curves[0].series) == ["green", "violet"]
    assert len(evaluation.galleries[0].examples) == evaluation.num_images == 6
    assert evaluation.galleries[0].examples[0].key.startswith("validation.rec record 0")


def test_predictions_find_the_objects(overfitted: RunResult) -> None:
    model = load(overfitted.folder.path)
    image, label = scene(np.random.default_rng(0))
    encoded = cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
    from_bytes, from_array = model.predict([encoded, image])
    described = model.describe(from_bytes)
    assert described["prediction"] == model.describe(from_array)["prediction"]
    for class_id, *corners in label[2:].reshape(-1, 5).tolist():
        name = ("green", "violet")[int(class_id)]
        found = [np.array(one["box"]) for one in described["objects"] if one["label"] == name]
        assert min(np.abs(box - corners).max() for box in found) < 0.1
    scores = [row[1] for row in described["prediction"]]
    assert scores == sorted(scores, reverse=True)


def test_training_goes_on_at_another_image_shape(
    overfitted: RunResult, channels: dict[str, str], tmp_path: Path
) -> None:
    given = {**channels, "model": str(overfitted.folder.model)}
    result = train(job(given, tmp_path / "run", image_shape=320, learning_rate=1e-9))
    stored = load_model(result.folder.model)
    assert stored.architecture["image_shape"] == 320
    assert stored.architecture["filters"] == [16, 16, 16, 32, 32]
    before, after = weights_of(overfitted), weights_of(result)
    assert torch.allclose(after["class_heads.0.weight"], before["class_heads.0.weight"], atol=1e-5)
    # The weights are the learned ones, so what they know is not lost; a new network has about 0.
    assert result.metrics["mAP"] > 0.2
    assert tuple(stored.class_names) == ("green", "violet")


def test_base_network_and_classes_must_match(overfitted: RunResult, channels: dict[str, str], tmp_path: Path) -> None:
    given = {**channels, "model": str(overfitted.folder.model)}
    with pytest.raises(SettingsError) as caught:
        train(job(given, tmp_path / "run", num_classes=3, base_network="resnet-34"))
    assert [problem.split()[2] for problem in caught.value.problems] == ["base_network", "num_classes"]


def test_new_head_keeps_the_rest(overfitted: RunResult, channels: dict[str, str], tmp_path: Path) -> None:
    given = {**channels, "model": str(overfitted.folder.model)}
    result = train(job(given, tmp_path / "run", {"new_head": True}, num_classes=4, learning_rate=1e-9))
    before, after = weights_of(overfitted), weights_of(result)
    assert after["class_heads.0.bias"].shape == (4 * 5,)
    assert torch.allclose(after["box_heads.0.weight"], before["box_heads.0.weight"], atol=1e-5)


def test_frozen_layers_stay_as_they_were(channels: dict[str, str], tmp_path: Path) -> None:
    result = train(job(channels, tmp_path / "run", freeze_layer_pattern="^(conv0|stage[12]_).*"))
    torch.manual_seed(0)
    start = ALGORITHM.build_network(small_plan()).state_dict()
    after = weights_of(result)
    changed = {name for name in start if not torch.equal(start[name], after[name])}
    assert not {name for name in changed if name.startswith(("base.conv0", "base.stage1_", "base.stage2_"))} - {
        name for name in changed if "running_" in name or "num_batches" in name
    }
    assert "base.stage3_unit1.conv1.weight" in changed
    assert "base.stage1_unit1.bn1.running_mean" in changed


def test_a_pattern_that_matches_nothing_is_an_error(channels: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"freeze_layer_pattern is '\^conv1_', which matches .* resnet-18"):
        train(job(channels, tmp_path / "run", freeze_layer_pattern="^conv1_"))


def test_problems_of_both_channels_come_before_training(tmp_path: Path) -> None:
    located = {name: str(write_scenes(tmp_path / f"{name}.rec", 3, seed=1)) for name in ("train", "validation")}
    with pytest.raises(SettingsError) as caught:
        train(job(located, tmp_path / "run", num_classes=1))
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["channel 'train'", "channel 'validation'"]
    assert "have a class that does not exist; first: train.rec record" in caught.value.problems[0]
    assert not (tmp_path / "run").exists()


def test_background_is_reported(channels: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        train(job(channels, tmp_path / "run"))
    assert "channel 'train': 1 of 8 images have no boxes: they count as background" in caplog.text

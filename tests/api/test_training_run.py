from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.api.conftest import NAMES, job, picture, write_records
from vision.api import RunResult, evaluate, train
from vision.artifacts.model_folder import load_model
from vision.settings.channels import parse_channels
from vision.settings.errors import SettingsError, UserError
from vision.settings.run import RunSettings
from vision.settings.thresholds import Thresholds


def weights_of(result: RunResult) -> dict[str, torch.Tensor]:
    return load_model(result.folder.model).state_dict()


def test_run_folder_explains_itself(trained: RunResult) -> None:
    folder = trained.folder.path
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["hyperparameters"]["num_layers"] == "20"
    assert settings["data"] == {"train images": 60, "validation images": 33}
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"train_loss", "train_accuracy", "validation_accuracy", "learning_rate", "images_per_second"} <= set(rows[0])
    description = json.loads((folder / "model" / "model.json").read_text())
    assert description["class_names"] == list(NAMES)
    assert description["architecture"]["family"] == "preact_resnet"
    assert (folder / "model.tar.gz").stat().st_size > 100_000
    assert load_file(folder / "model" / description["weights"]["name"])


def test_kept_model_is_that_of_the_best_epoch(trained: RunResult) -> None:
    accuracies = [row["validation_accuracy"] for row in trained.history]
    stored = load_model(trained.folder.path)
    assert stored.epoch == accuracies.index(max(accuracies)) + 1
    assert trained.metrics["accuracy"] == max(accuracies) == stored.metrics["validation_accuracy"]


def test_model_knows_the_threshold_of_best_f1_of_each_label(trained: RunResult) -> None:
    stored = load_model(trained.folder.archive)
    assert trained.evaluation.labels is not None
    assert list(stored.assumed_thresholds) == list(NAMES)
    assert stored.assumed_thresholds == pytest.approx(trained.evaluation.labels.threshold_of())


def test_evaluate_at_given_thresholds(trained: RunResult, channels: dict[str, str]) -> None:
    located = parse_channels({"validation": channels["validation"]})
    found = evaluate(trained.folder.path, located, thresholds=Thresholds.parse(0, {"red": 1}))
    assert found.labels is not None
    counts = found.labels.counts
    # Eleven images of each colour: nothing is surely red, and with 0 everything is green and blue.
    assert counts.true_positives.tolist() == [0, 11, 11]
    assert counts.false_positives.tolist() == [0, 22, 22]
    with pytest.raises(SettingsError, match=r"thresholds\.rad is for no label of the model: did you mean red"):
        evaluate(trained.folder.path, located, thresholds=Thresholds.parse(None, {"rad": 1}))


def test_evaluate_names_classes_without_images(
    trained: RunResult, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = write_records(tmp_path / "two.rec", 2, 0)
    with caplog.at_level(logging.WARNING):
        evaluate(trained.folder.path, parse_channels({"validation": str(records)}))
    assert "channel 'validation': no image has the class 2" in caplog.text


def test_same_seed_same_bits_whatever_the_workers(trained: RunResult, channels: dict[str, str], tmp_path: Path) -> None:
    again = train(job(channels, tmp_path / "again", {"workers": 3, "cache": "none"}))
    other = train(job(channels, tmp_path / "other", {"seed": 1}))
    expected, found, different = weights_of(trained), weights_of(again), weights_of(other)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert not torch.equal(expected["resnet.conv0.weight"], different["resnet.conv0.weight"])


def test_wrong_count_is_warned_about_with_both_numbers(
    channels: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        result = train(job(channels, tmp_path / "run", num_training_samples=1000, mini_batch_size=64, epochs=1))
    assert "num_training_samples is 1000, but channel 'train' holds 60" in caplog.text
    assert "training with batches of 60" in caplog.text
    assert len(result.history) == 1


def test_checkpoint_frequency_keeps_those_epochs(channels: dict[str, str], tmp_path: Path) -> None:
    result = train(job(channels, tmp_path / "run", epochs=3, checkpoint_frequency=1))
    stored = load_model(result.folder.archive)
    assert [checkpoint.epoch for checkpoint in stored.checkpoints] == [1, 2, 3]
    first, last = stored.state_dict(1), stored.state_dict(3)
    assert not torch.equal(first["resnet.fc1.weight"], last["resnet.fc1.weight"])


def test_multi_label_with_weights(tmp_path: Path) -> None:
    located = {
        "train": str(write_records(tmp_path / "train.rec", 60, 0, multi_label=True)),
        "validation": str(write_records(tmp_path / "validation.rec", 30, 1, multi_label=True)),
    }
    result = train(job(located, tmp_path / "run", multi_label=1, use_weighted_loss=1, epochs=3))
    assert {"accuracy", "mAP", "macro_f1", "micro_f1"} <= set(result.metrics)
    assert result.metrics["accuracy"] > 0.6


def test_multi_label_needs_as_many_columns_as_classes(tmp_path: Path) -> None:
    located = {
        "train": str(write_records(tmp_path / "train.rec", 6, 0, multi_label=True)),
        "validation": str(write_records(tmp_path / "validation.rec", 6, 1, multi_label=True)),
    }
    with pytest.raises(SettingsError, match=r"has 3 label values, but hp.num_classes is 5"):
        train(job(located, tmp_path / "run", multi_label=1, num_classes=5))
    with pytest.raises(SettingsError, match=r"set hp.multi_label=1 for several"):
        train(job(located, tmp_path / "run"))


def test_labels_outside_the_classes_name_records(channels: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        train(job(channels, tmp_path / "run", num_classes=2))
    assert len(caught.value.problems) == 2
    assert "channel 'train': 20 of 60 labels cannot be used" in caught.value.problems[0]
    assert "train.rec record 2 (id 2)" in caught.value.problems[0]


def test_few_broken_images_are_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    located = {
        "train": str(write_records(tmp_path / "train.rec", 60, 0, broken=(7,))),
        "validation": str(write_records(tmp_path / "validation.rec", 30, 1, broken=(4,))),
    }
    with caplog.at_level(logging.WARNING):
        result = train(job(located, tmp_path / "run", {"max_broken": 0.1}, epochs=2))
    assert "image that cannot be used: train.rec record 7 (id 7)" in caplog.text
    assert result.evaluation.num_images == 29
    assert any("1 of 30 images could not be used" in note for note in result.evaluation.notes)
    with pytest.raises(UserError, match=r"1 of 60 images cannot be used, more than run.max_broken=0.01"):
        train(job(located, tmp_path / "strict", {"max_broken": 0.01}))


def test_an_existing_run_is_not_overwritten(trained: RunResult, channels: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"already holds a run; add run.resume=true"):
        train(job(channels, trained.folder.path))


def test_resume_refuses_other_settings(trained: RunResult, channels: dict[str, str]) -> None:
    others = {"resume": True, "seed": 3, "scaled_decode": True}
    with pytest.raises(SettingsError) as caught:
        train(job(channels, trained.folder.path, others, learning_rate=0.1))
    names = [problem.split()[0] for problem in caught.value.problems]
    assert names == ["hp.learning_rate", "run.seed", "run.scaled_decode"]


def test_a_finished_run_resumes_for_more_epochs(
    channels: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = train(job(channels, tmp_path / "whole", epochs=3))
    train(job(channels, tmp_path / "parts", epochs=1))
    with caplog.at_level(logging.WARNING):
        parts = train(job(channels, tmp_path / "parts", {"resume": True}, epochs=3))
    said = [record.getMessage() for record in caplog.records if record.name.startswith("vision.")]
    assert f"the run in {tmp_path / 'parts'} goes on with other settings than before: hp.epochs 1 -> 3" in said
    assert any(text.startswith("the run goes on: epochs 1 to 2 (counted from 0), from batch 0 of") for text in said)
    assert [row["epoch"] for row in parts.history] == [1, 2, 3]
    assert [row["train_loss"] for row in parts.history] == [row["train_loss"] for row in whole.history]


def test_early_stopping_ends_a_run_that_learns_nothing(
    channels: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopping: dict[str, Any] = {
        "early_stopping": True,
        "early_stopping_min_epochs": 2,
        "early_stopping_patience": 1,
        "learning_rate": 0,
        "epochs": 9,
    }
    result = train(job(channels, tmp_path / "run", **stopping))
    assert len(result.history) < 9
    assert f"training ends early, after {len(result.history)} of 9 epochs: 1 in a row" in caplog.text
    again = train(job(channels, tmp_path / "run", {"resume": True}, **stopping))
    assert again.history == result.history


def test_evaluate_tells_boxes_from_foreign_classes(trained: RunResult, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("zebra\n")
    (tmp_path / "a.png").write_bytes(picture(0, np.random.default_rng(0)))
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    with pytest.raises(UserError, match=r"^channel 'validation': its labels are boxes") as caught:
        evaluate(trained.folder.path, parse_channels({"validation": str(tmp_path)}))
    # That the model has no class zebra is no news then.
    assert "zebra" not in str(caught.value)


def test_evaluate_uses_the_precision_of_training(channels: dict[str, str], tmp_path: Path) -> None:
    result = train(job(channels, tmp_path / "run", {"precision": "bfloat16"}, epochs=1))
    located = parse_channels({"validation": channels["validation"]})
    assert evaluate(tmp_path / "run", located).metrics == result.metrics
    in_float32 = evaluate(tmp_path / "run", located, RunSettings.parse({"precision": "float32"}))
    assert in_float32.metrics["loss"] != result.metrics["loss"]


def test_evaluate_decodes_as_training_did(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(60):
        small = cv2.imdecode(np.frombuffer(picture(number % 3, rng), np.uint8), cv2.IMREAD_COLOR)
        noise = rng.integers(-60, 60, (144, 144, 3))
        folder = tmp_path / "photos" / NAMES[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        photo = cv2.resize(small, (144, 144)) + noise
        cv2.imwrite(str(folder / f"{number}.jpg"), photo.clip(0, 255).astype(np.uint8))
    located = dict.fromkeys(("train", "validation"), str(tmp_path / "photos"))
    result = train(job(located, tmp_path / "run", {"scaled_decode": True}, resize=18, epochs=4))
    channel = parse_channels({"validation": located["validation"]})
    assert evaluate(tmp_path / "run", channel).metrics == result.metrics
    in_full = evaluate(tmp_path / "run", channel, RunSettings.parse({"scaled_decode": "false"}))
    assert in_full.metrics["loss"] != result.metrics["loss"]


def test_images_that_are_too_small_stop_a_run_before_it_starts(channels: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"32 of the 32 images looked at are smaller .* they are not damaged"):
        train(job(channels, tmp_path / "run", image_shape="3,24,24"))
    assert not (tmp_path / "run").exists()
    enlarged = job(channels, tmp_path / "run", {"enlarge_small_images": True}, image_shape="3,24,24", epochs=1)
    assert train(enlarged).metrics["accuracy"] >= 0

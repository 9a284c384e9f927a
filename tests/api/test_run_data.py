"""Boxes that come through a pipe are counted and named as those of a file are, when they have passed."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vision import algorithms
from vision.api.run_data import open_stream, stream_dataset
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter
from vision.data.stream import EvaluationStream, TrainStream
from vision.settings.errors import SettingsError
from vision.settings.job import Job

PNG = cv2.imencode(".png", np.zeros((20, 20, 3), np.uint8))[1].tobytes()
GOOD = [0.0, 0.1, 0.1, 0.5, 0.5]
CROSSING = [1.0, 0.5, 0.5, 1.2, 0.9]
FLAT = [0.0, 0.2, 0.2, 0.2, 0.6]
UNKNOWN = [7.0, 0.1, 0.1, 0.5, 0.5]
INVERTED = [0.0, 0.6, 0.1, 0.2, 0.2]
BATCH = 2


def write_pass(folder: Path, number: int, images: list[list[list[float]]]) -> None:
    """One pass of images with these boxes: class, xmin, ymin, xmax, ymax."""
    path = folder / "stream.rec"
    with RecordIOWriter(path) as writer:
        for index, boxes in enumerate(images):
            label = [2.0, 5.0, *(value for box in boxes for value in box)]
            writer.write(index, pack(np.array(label, np.float32), index, PNG))
    path.rename(folder / f"train_{number}")


def streams(folder: Path, count: int, **run: Any) -> tuple[TrainStream, EvaluationStream]:
    """Training on, and a validation of, the pipes in a folder."""
    algorithm = algorithms.get("object_detection")
    channel = {"path": str(folder / "train"), "input_mode": "Pipe", "content_type": "application/x-recordio"}
    given = {"num_classes": 2, "num_training_samples": count, "mini_batch_size": BATCH}
    settings = {"stall_timeout_s": 0.3, **run}
    channels = {"train": channel, "validation": channel}
    job = Job.parse(
        algorithm.facts.name, algorithm.facts.hyperparameters, given, channels, settings, algorithm.facts.channels
    )
    reader, _ = open_stream(algorithm, job, "train")
    dataset = stream_dataset(algorithm, job, reader, "train")
    return TrainStream(dataset, count, BATCH, seed=0), EvaluationStream(dataset, BATCH)


def test_what_is_mended_is_counted_and_named_in_each_epoch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(2):
        write_pass(tmp_path, number, [[GOOD], [GOOD, CROSSING], [CROSSING], [GOOD, FLAT]])
    training, _ = streams(tmp_path, 4)
    caplog.set_level(logging.WARNING)
    assert [len(batch.indices) for _ in range(2) for batch in training] == [2] * 4
    for number in (1, 2):
        lines = [line for line in caplog.messages if f"pass {number}:" in line]
        assert len(lines) == 2
        assert lines[0].startswith(
            f"channel 'train', pass {number}: 2 of 6 boxes cross the border of their image and are cut off there "
            "(run.bad_boxes=clip); first: train record 1: has box 1 (corners 0.5, 0.5, 1.2, 0.9 of the image) partly"
        )
        assert "1 of 6 boxes have no area and are left out (run.bad_boxes=clip); first: train record 3: " in lines[1]


def test_the_policy_is_the_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_pass(tmp_path, 0, [[GOOD], [GOOD, CROSSING]])
    caplog.set_level(logging.WARNING)
    _, validation = streams(tmp_path, 2, bad_boxes="drop")
    assert [batch.indices.tolist() for batch in validation] == [[0, 1]]
    assert "1 of 3 boxes cross the border of their image and are left out (run.bad_boxes=drop)" in caplog.text


def test_what_nothing_mends_is_a_broken_image_and_no_part_of_the_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_pass(tmp_path, 0, [[GOOD], [UNKNOWN], [GOOD, FLAT]])
    caplog.set_level(logging.WARNING)
    _, validation = streams(tmp_path, 3)
    *_, last = list(validation)
    ((index, sentence),) = last.broken
    assert index == 1
    assert sentence.startswith("train_0 record 1 (id 1): has the class 7 in box 0, but with hp.num_classes=2 classes")
    assert "1 of 3 boxes have no area" in caplog.text
    assert "first: train record 2: has box 1" in caplog.text


def test_boxes_that_mean_something_else_end_the_run_before_its_last_batch(tmp_path: Path) -> None:
    write_pass(tmp_path, 0, [[GOOD], [GOOD], [GOOD], [INVERTED]])
    training, _ = streams(tmp_path, 4)
    with pytest.raises(SettingsError, match=r"channel 'train': 1 of 4 boxes end before they begin; first: train rec"):
        list(training)


def test_a_stream_without_boxes_has_nothing_to_detect(tmp_path: Path) -> None:
    write_pass(tmp_path, 0, [[], []])
    training, _ = streams(tmp_path, 2)
    with pytest.raises(SettingsError, match="not one of 2 images has a box that can be used"):
        list(training)


def write_sized_pass(folder: Path, sizes: list[tuple[int, int]]) -> None:
    """One pass of images, each with a label that states a width and a height for it."""
    path = folder / "stream.rec"
    with RecordIOWriter(path) as writer:
        for number, (width, height) in enumerate(sizes):
            box = {"class_id": number % 2, "left": 0, "top": 0, "width": 4, "height": 4}
            label = {"image_size": [{"width": width, "height": height, "depth": 3}], "annotations": [box]}
            writer.write(2 * number, PNG)
            writer.write(2 * number + 1, json.dumps(label).encode())
    path.rename(folder / "train_0")


def test_sizes_that_contradict_the_pictures_end_the_run(tmp_path: Path) -> None:
    write_sized_pass(tmp_path, [(20, 20), (10, 20)])
    _, validation = streams(tmp_path, 2)
    with pytest.raises(SettingsError) as caught:
        list(validation)
    assert caught.value.problems[0].startswith("channel 'train': 1 of 2 images do not have the size that their label")
    assert "first: train record 1 states the size 10x20, but the image has 20x20 pixels" in caught.value.problems[0]


def test_pictures_that_were_shrunk_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_sized_pass(tmp_path, [(20, 20), (40, 40)])
    caplog.set_level(logging.WARNING)
    _, validation = streams(tmp_path, 2)
    assert [batch.indices.tolist() for batch in validation] == [[0, 1]]
    assert "pass 1: 1 of 2 images are larger or smaller than their label states, of the same shape" in caplog.text

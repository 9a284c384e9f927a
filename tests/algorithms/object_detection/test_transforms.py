from __future__ import annotations

import pickle
import random
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.object_detection.targets import DetectionTarget
from vision.algorithms.object_detection.transforms import SSDAugmentation, build_transform


def transform(stage: Any) -> Any:
    values = {"num_classes": 5, "num_training_samples": 10, "mini_batch_size": 5}
    return build_transform(ObjectDetectionHyperparameters.parse(values), stage)


def target_of(boxes: list[list[float]]) -> DetectionTarget:
    count = len(boxes)
    return DetectionTarget(
        np.array(boxes, np.float32).reshape(count, 4), np.arange(count) * 3 + 1, np.arange(count) % 2 == 1
    )


AUGMENT = transform("train")


@st.composite
def targets(draw: st.DrawFn) -> DetectionTarget:
    edge = st.floats(0.0, 0.875, width=32)
    extent = st.floats(0.0009765625, 1.0, width=32)
    boxes = draw(st.lists(st.tuples(edge, edge, extent, extent), max_size=5))
    return target_of([[x, y, min(1.0, x + w), min(1.0, y + h)] for x, y, w, h in boxes])


@given(seed=st.integers(0, 2**63 - 1), height=st.integers(1, 500), width=st.integers(1, 500), target=targets())
@settings(deadline=None, max_examples=300)
def test_augmented_boxes(seed: int, height: int, width: int, target: DetectionTarget) -> None:
    picture = np.full((height, width, 3), 200, np.uint8)
    image, found = AUGMENT(picture, target, seed, "")
    assert (image.shape, image.dtype) == ((300, 300, 3), np.uint8)
    assert (picture == 200).all()
    boxes = found.boxes_xyxy_unit
    assert (boxes.dtype, found.labels.dtype, found.difficult.dtype) == (np.float32, np.int64, np.bool_)
    assert len(boxes) == len(found.labels) == len(found.difficult)
    assert min(1, len(target)) <= len(found) <= len(target)
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    # Labels are 1, 4, 7, ... in order: what stays keeps its label and its flag.
    kept = (found.labels - 1) // 3
    assert (np.diff(kept) > 0).all()
    assert np.array_equal(found.labels, target.labels[kept])
    assert np.array_equal(found.difficult, target.difficult[kept])
    again, same = pickle.loads(pickle.dumps(AUGMENT))(picture, target, seed, "")
    assert np.array_equal(image, again)
    assert np.array_equal(boxes, same.boxes_xyxy_unit)


def test_boxes_stay_on_their_objects() -> None:
    """Two bright rectangles on black: whatever happens, boxes surround bright pixels and nothing else is bright."""
    picture = np.zeros((200, 240, 3), np.uint8)
    picture[40:100, 24:96] = 250
    picture[120:180, 120:216] = 250
    target = target_of([[0.1, 0.2, 0.4, 0.5], [0.5, 0.6, 0.9, 0.9]])
    augment = SSDAugmentation(300)
    augment.color.channel_p = 0.0
    augment.contrast.p = 0.0
    for seed in range(400):
        image, found = augment(picture, target, seed, "")
        bright = image[:, :, 1] > 190
        for box in found.boxes_xyxy_unit:
            left, top, right, bottom = box * 300
            rows = slice(int(np.ceil(top)) + 2, int(bottom) - 2)
            columns = slice(int(np.ceil(left)) + 2, int(right) - 2)
            assert bright[rows, columns].all()
            bright[max(0, int(top) - 2) : int(bottom) + 3, max(0, int(left) - 2) : int(right) + 3] = False
        if len(found) == len(target):
            assert not bright.any()


def one_by_one(augment: SSDAugmentation, seed: int, picture: np.ndarray, boxes: np.ndarray) -> dict[str, Any]:
    """What the albumentations transforms give in the documented order, with colour first and the full canvas."""
    data, shared = {"image": picture, "bboxes": boxes}, random.Random(seed)
    for augmentation in augment.augmentations:
        augmentation.set_random_state(np.random.default_rng(0), shared)
        data = augmentation(**data)
    return data


@pytest.mark.parametrize("expand_p", [0.0, 1.0])
def test_equals_the_transforms_one_by_one(expand_p: float) -> None:
    columns, rows = np.meshgrid(np.linspace(80, 180, 320), np.linspace(80, 180, 240))
    picture = np.stack([columns, rows, (columns + rows) / 2], axis=2).astype(np.uint8)
    boxes = np.array([[0.1, 0.2, 0.4, 0.5, 0.0], [0.5, 0.6, 0.9, 0.9, 1.0]])
    target = target_of(boxes[:, :4].tolist())
    augment = SSDAugmentation(300)
    augment.expand.p = expand_p
    for seed in range(100):
        image, found = augment(picture, target, seed, "")
        expected = one_by_one(augment, seed, picture, boxes)
        difference = np.abs(image.astype(int) - expected["image"])
        box_difference = np.abs(found.boxes_xyxy_unit - expected["bboxes"][:, :4])
        assert found.labels.tolist() == [1 + 3 * int(number) for number in expected["bboxes"][:, 4]]
        if expand_p == 0.0:
            # OpenCV's colour conversion rounds the last few pixels of a row by other code.
            assert difference.max() <= 3
            assert (difference > 0).mean() < 0.001
            assert box_difference.max() < 1e-6
        else:
            # The image may lie half a pixel of the square beside its place on the full canvas.
            assert box_difference.max() <= 0.5 / 300 + 1e-6
            assert np.median(difference) <= 2
            assert (difference > 12).mean() < 0.05


def test_images_without_boxes_are_augmented_too() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    results = [AUGMENT(picture, target_of([]), seed, "") for seed in range(30)]
    assert all(len(found) == 0 and found.boxes_xyxy_unit.shape == (0, 4) for _, found in results)
    assert len({image.tobytes() for image, _ in results}) == 30


def test_how_often_what_happens() -> None:
    picture = np.full((100, 100, 3), (200, 60, 60), np.uint8)
    picture[:, :50] = (60, 60, 200)
    target = target_of([[0.0, 0.0, 1.0, 1.0]])
    padded = mirrored = unchanged_colour = 0
    for seed in range(1000):
        image, found = AUGMENT(picture, target, seed, "")
        box = found.boxes_xyxy_unit[0]
        padded += not np.allclose(box, [0, 0, 1, 1])
        left, top, right, bottom = np.rint(box * 300).astype(int)
        shown = image[top:bottom, left:right].astype(int)
        mirrored += shown[:, 0, 0].mean() > shown[:, -1, 0].mean()
        unchanged_colour += np.array_equal(np.median(shown[:, -1], axis=0), (200, 60, 60)) or np.array_equal(
            np.median(shown[:, 0], axis=0), (200, 60, 60)
        )
    # Padding shows unless a crop afterwards removes it.
    assert 300 < padded < 500
    assert 420 < mirrored < 580
    assert 0.5**4 * 1000 * 0.5 < unchanged_colour < 0.5**4 * 1000 * 2


@pytest.mark.parametrize("stage", ["validation", "inference"])
def test_validation_and_inference_only_resize(stage: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (120, 333, 3), np.uint8)
    target = target_of([[0.1, 0.2, 0.4, 0.5]])
    image, found = transform(stage)(picture, target, None, "")
    assert np.array_equal(image, cv2.resize(picture, (300, 300), interpolation=cv2.INTER_LINEAR))
    assert found is target

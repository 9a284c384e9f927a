from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import albumentations as A
import numpy as np
import pytest

from vision.data.augmentations.augmentation import SpatialTarget
from vision.data.augmentations.image_random import ImageRandom
from vision.data.augmentations.pipeline import Pipeline
from vision.settings.errors import DataError, SettingsError


def pipeline(*transforms: A.BasicTransform | A.OneOf, **values: object) -> Pipeline:
    return Pipeline(json.dumps(A.to_dict(A.Compose(list(transforms), **values))))


def picture() -> np.ndarray:
    """A black image of 80 x 100 pixels with a white object in columns 20 to 50 and rows 10 to 40."""
    image = np.zeros((80, 100, 3), np.uint8)
    image[10:40, 20:50] = 255
    return image


def target() -> SpatialTarget:
    return SpatialTarget(np.array([[0.2, 0.125, 0.5, 0.5, 7.0]]), picture()[:, :, 0] // 255)


WARPS = (
    A.HorizontalFlip(p=0.5),
    A.RandomResizedCrop((64, 48), scale=(0.6, 1.0), p=0.5),
    A.Affine(rotate=(-20, 20), p=0.5),
)


def test_boxes_and_masks_follow_the_image() -> None:
    moved, seen = pipeline(*WARPS), set()
    for seed in range(40):
        image, found = moved.run(picture(), target(), ImageRandom(seed), "")
        seen.add(image.shape)
        object_px = np.argwhere(image[:, :, 0] > 127)
        height, width = image.shape[:2]
        assert found.mask.shape == (height, width)
        assert ((image[:, :, 0] > 127) == (found.mask == 1))[found.mask != 255].mean() > 0.97
        (box,) = found.boxes_xyxy_unit * [width, height, width, height, 1]
        (top, left), (bottom, right) = object_px.min(axis=0), object_px.max(axis=0) + 1
        assert box[4] == 7
        # What encloses a turned box is larger than the object.
        assert box[0] <= left + 2
        assert box[1] <= top + 2
        assert box[2] >= right - 2
        assert box[3] >= bottom - 2
    assert len(seen) == 2


def test_uncovered_pixels_of_a_mask_count_for_nothing() -> None:
    _, found = pipeline(A.Affine(translate_px={"x": 30, "y": 0}, p=1.0)).run(picture(), target(), ImageRandom(0), "")
    assert (found.mask[:, :30] == 255).all()
    assert (found.mask[10:40, 50:80] == 1).all()


def test_the_seed_of_an_image_decides_whatever_ran_before_and_in_any_thread_or_process() -> None:
    first = pipeline(*WARPS, A.ColorJitter(p=0.8))
    alone = [first.run(picture(), target(), ImageRandom(seed), "")[0] for seed in range(30)]
    other = pickle.loads(pickle.dumps(first))
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda seed: other.run(picture(), target(), ImageRandom(seed), "")[0], reversed(range(30)))
        )
    assert all(np.array_equal(one, two) for one, two in zip(alone, reversed(together), strict=True))
    assert len({one.tobytes() for one in alone}) > 20


def test_draws_of_two_transforms_do_not_depend_on_each_other() -> None:
    twice = pipeline(A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5))
    places = set()
    for seed in range(60):
        image, _ = twice.run(picture(), SpatialTarget(), ImageRandom(seed), "")
        places.add((bool(image[20, 30, 0]), bool(image[:40].any())))
    assert len({tuple(place) for place in places}) >= 3


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        ({}, "holds no transform"),
        ({"transform": {"__class_fullname__": "os.system"}}, "os.system is not a transform that albumentations"),
        ({"transform": {"__class_fullname__": "Lambda", "p": 1}}, "Lambda is not a transform that albumentations"),
        (
            {"transform": {"__class_fullname__": "vision.data.augmentations.crop.Crop", "height": 3, "width": 3}},
            "Crop is not a transform that albumentations",
        ),
        ({"transform": {"__class_fullname__": "Rotate", "limt": 3}}, "Rotate has no argument limt"),
        ({"__class_fullname__": "Compose", "transforms": [{"__class_fullname__": "eval"}]}, "eval is not a transform"),
        ({"transform": {"__class_fullname__": "Rotate", "limit": "far", "p": 1}}, "limit"),
        ({"transform": {"__class_fullname__": "Compose", "transforms": 3}}, "is not a list"),
    ],
)
def test_what_is_no_pipeline_is_refused_and_nothing_of_it_is_run(described: object, sentence: str) -> None:
    with pytest.raises(SettingsError, match=f"^Run setting augmentation cannot be used: .*{sentence}"):
        Pipeline(json.dumps(described))


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        (A.Normalize(), "float32 .* leave out Normalize"),
        (A.Mosaic(p=1.0), "mosaic_metadata"),
        (A.OverlayElements(p=1.0), "OverlayElements cannot move boxes"),
        (A.CoarseDropout3D(p=1.0), "CoarseDropout3D does not work on images"),
    ],
)
def test_what_cannot_work_is_said_before_training(transform: A.BasicTransform, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        pipeline(transform).check(has_boxes=True, has_masks=False)


def test_what_works_on_some_images_passes_and_names_the_others() -> None:
    cropped = pipeline(A.OneOf([A.RandomCrop(600, 600, p=1), A.NoOp(p=1)], p=1))
    cropped.check(has_boxes=False, has_masks=False)
    sentences = []
    for seed in range(9):
        try:
            cropped.run(picture(), SpatialTarget(), ImageRandom(seed), "a.jpg")
        except DataError as error:
            sentences.append(str(error))
    assert 0 < len(sentences) < 9
    assert sentences[0].startswith("a.jpg: run.augmentation fails on it: ")


def test_a_pipeline_for_large_images_passes() -> None:
    pipeline(A.RandomCrop(900, 900, p=1.0)).check(has_boxes=True, has_masks=True)


def test_arguments_that_albumentations_saves_too_many_of_are_left_out() -> None:
    padded, _ = pipeline(A.PadIfNeeded(120, 130, p=1.0)).run(picture(), SpatialTarget(), ImageRandom(0), "")
    assert padded.shape == (120, 130, 3)


def test_limits_of_boxes_are_kept_and_their_form_is_not() -> None:
    limits = A.BboxParams(format="coco", label_fields=["labels"], min_visibility=0.9)
    nested = A.Compose([A.Crop(0, 0, 40, 80, p=1.0)], bbox_params=limits)
    moved = pipeline(nested, bbox_params=limits)
    assert moved.run(picture(), target(), ImageRandom(0), "")[1].boxes_xyxy_unit.shape == (0, 5)

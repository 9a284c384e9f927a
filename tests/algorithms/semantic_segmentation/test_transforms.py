from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.algorithms.semantic_segmentation.transforms import (
    CenterCrop,
    RandomScaleCrop,
    WholeImage,
    build_transform,
    scaled_size,
)
from vision.settings.errors import DataError


def picture(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth image whose first channel is ten times the mask's id."""
    rows, columns = np.mgrid[:height, :width]
    mask = (rows * 4 // height + 4 * (columns * 4 // width)).astype(np.uint8)
    return np.stack([10 * mask] * 3, axis=-1), mask


@pytest.mark.parametrize(("height", "width"), [(90, 120), (120, 90), (33, 300), (700, 500)])
def test_image_and_mask_stay_together(height: int, width: int) -> None:
    image, mask = picture(height, width)
    transform = RandomScaleCrop(100, 64)
    for seed in range(20):
        pixels, ids = transform(image, mask, seed, "a")
        assert ids is not None
        assert pixels.shape == (64, 64, 3)
        assert ids.shape == (64, 64)
        inside = ids != 255
        # Borders between ids are blurred in the image alone.
        near = np.abs(pixels[..., 0].astype(int) - 10 * ids.astype(int)) <= 5
        assert near[inside].mean() > 0.8
        assert not pixels[~inside].any()


def test_a_seed_decides_everything() -> None:
    image, mask = picture(90, 120)
    transform = RandomScaleCrop(100, 64)
    first, second, other = (transform(image, mask, seed, "a") for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert (first[0] != other[0]).any()


def test_what_lies_beyond_a_small_image_is_ignored() -> None:
    image, mask = np.full((8, 16, 3), 200, np.uint8), np.ones((8, 16), np.uint8)
    for seed in range(8):
        pixels, ids = RandomScaleCrop(20, 64)(image, mask, seed, "a")
        assert ids is not None
        assert set(np.unique(ids)) == {1, 255}
        # At the right and the bottom, or mirrored.
        rows, columns = np.nonzero(ids == 1)
        assert rows.min() == 0
        assert columns.min() == 0 or columns.max() == 63
        assert 10 <= np.ptp(columns) + 1 <= 40
        assert (pixels[ids == 1] == 200).all()


@pytest.mark.parametrize(
    ("size", "long_px", "expected"),
    [
        ((100, 200), 520, (260, 520)),
        ((200, 100), 520, (520, 260)),
        ((360, 480), 521, (391, 521)),
        ((1, 900), 260, (1, 260)),
    ],
)
def test_the_long_side_decides(size: tuple[int, int], long_px: int, expected: tuple[int, int]) -> None:
    assert scaled_size(*size, long_px) == expected


@pytest.mark.parametrize(("height", "width"), [(36, 48), (61, 40), (3, 50), (200, 200)])
def test_masks_are_scaled_as_pillow_does(height: int, width: int) -> None:
    mask = np.random.default_rng(0).integers(0, 255, (height, width), np.uint8)
    image = np.zeros((height, width, 3), np.uint8)
    for seed in range(20):
        # The crop is larger than all it may be cut from.
        _, ids = RandomScaleCrop(48, 96)(image, mask, seed, "a")
        assert ids is not None
        rows, columns = (np.flatnonzero((ids != 255).any(axis=axis)) for axis in (1, 0))
        found = ids[np.ix_(rows, columns)]
        expected = np.asarray(Image.fromarray(mask).resize(found.shape[::-1], Image.Resampling.NEAREST))
        assert any(np.array_equal(found, side) for side in (expected, expected[:, ::-1]))


@pytest.mark.parametrize(("height", "width"), [(70, 101), (101, 70), (48, 48), (40, 300)])
def test_validation_is_a_resized_center(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    mask = image[..., 0].copy()
    pixels, ids = CenterCrop(48)(image, mask, None, "a")
    short = min(height, width)
    scaled = (48, 48 * width // short) if width > height else (48 * height // short, 48)
    top, left = (scaled[0] - 48) // 2, (scaled[1] - 48) // 2
    expected = cv2.resize(image, scaled[::-1], interpolation=cv2.INTER_LINEAR)[top : top + 48, left : left + 48]
    # A warp knows places between pixels to 1/32.
    assert np.abs(pixels.astype(int) - expected).max() <= 10
    nearest = cv2.resize(mask, scaled[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    np.testing.assert_array_equal(ids, nearest[top : top + 48, left : left + 48])


def test_stages() -> None:
    given = {"num_classes": 2, "num_training_samples": 1, "crop_size": 33}
    crops = SemanticSegmentationHyperparameters.parse(given)
    whole = SemanticSegmentationHyperparameters.parse({**given, "validation_mini_batch_size": 1})
    assert isinstance(build_transform(crops, "train"), RandomScaleCrop)
    validation = build_transform(crops, "validation")
    assert isinstance(validation, CenterCrop)
    assert validation.crop_px == 40
    for transform in (build_transform(whole, "validation"), build_transform(crops, "inference")):
        assert isinstance(transform, WholeImage)


@pytest.mark.parametrize("transform", [RandomScaleCrop(100, 64), CenterCrop(64), WholeImage()])
def test_a_mask_of_another_size_is_named(transform: RandomScaleCrop | CenterCrop | WholeImage) -> None:
    image, mask = picture(20, 30)
    with pytest.raises(DataError, match="mask has 20x30 pixels, but its image has 30x20; one of them lies on its side"):
        transform(image, mask.T, 0, "a")
    assert transform(image, None, 0, "a")[1] is None


@pytest.mark.parametrize("transform", [RandomScaleCrop(100, 64), CenterCrop(64), WholeImage()])
def test_a_mask_of_background_alone_fits_any_image(transform: RandomScaleCrop | CenterCrop | WholeImage) -> None:
    image, _ = picture(20, 30)
    pixels, mask = transform(image, np.zeros((16, 16), np.uint8), 0, "a")
    assert mask is not None
    assert mask.shape == pixels.shape[:2]
    assert set(np.unique(mask)) <= {0, 255}

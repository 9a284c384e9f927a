from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from tests.training.fake_gpu import NoCopies, fake_gpu
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.grey import Grey
from vision.data.augmentations.hls_shift import HLSShift
from vision.data.augmentations.mirror import Mirror
from vision.data.cache.batch_augmentation import augment_on_device, augment_on_host, shift_hls, to_grey
from vision.data.cache.decoded_images import DecodedImages, Layout
from vision.data.cache.transform_split import RandomPart

RNG = np.random.default_rng(0)
# Every pair of red and green, with some blues: as one tall picture.
COLOURS = np.stack(np.meshgrid(range(0, 256, 3), range(0, 256, 5), range(0, 256, 7), indexing="ij"), -1)
COLOURS = COLOURS.reshape(1, -1, 1, 3).astype(np.uint8)


@pytest.mark.parametrize("offsets", [(0, 0, 0), (36, 0, 0), (-36, 0, 0), (0, 50, 0), (0, -50, 9), (20, 7, -50)])
def test_color_is_opencvs_but_for_the_last_bit(offsets: tuple[int, int, int]) -> None:
    expected = HLSShift(36, 50, 50).apply(COLOURS[0], hls_offsets=offsets)
    found = shift_hls(torch.from_numpy(COLOURS), torch.tensor([offsets]))[0].numpy()
    difference = np.abs(found.astype(int) - expected)
    # A hue that lies between two levels may be rounded either way; that moves a channel by a few levels.
    assert difference.max() <= 9
    assert (difference > 0).mean() < 0.002


def test_grey_is_opencvs() -> None:
    expected = cv2.cvtColor(COLOURS[0], cv2.COLOR_RGB2GRAY)[..., None]
    assert np.array_equal(to_grey(torch.from_numpy(COLOURS))[0].numpy(), expected)


def kept_images(sizes: list[tuple[int, int]]) -> DecodedImages:
    """Blurred noise."""
    noise = [RNG.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    pixels = np.concatenate([cv2.GaussianBlur(image, (5, 5), 2).reshape(-1) for image in noise])
    return DecodedImages(pixels, Layout(np.array([image.shape for image in noise])), {})


@pytest.mark.parametrize("grey", [None, Grey()])
@pytest.mark.parametrize("color", [None, HLSShift(36, 50, 50)])
@pytest.mark.parametrize("sizes", [[(17, 19)] * 20, [(12 + i % 7, 15 + i % 5) for i in range(20)]])
def test_a_batch_is_the_hosts(sizes: list[tuple[int, int]], color: HLSShift | None, grey: Grey | None) -> None:
    kept = kept_images(sizes)
    random_part = RandomPart(None, Crop(12, 15, at_random=True), color, Mirror(), grey)
    indices, seeds = RNG.integers(0, 20, 64), RNG.integers(0, 2**64, 64, np.uint64)
    drawn = random_part.draw(seeds, kept.layout.shapes[indices])
    assert drawn.mirrored.any() and not drawn.mirrored.all()
    expected = augment_on_host(kept, indices, random_part, drawn).astype(int)
    found = augment_on_device(torch.from_numpy(kept.pixels), kept.layout, indices, random_part, drawn).numpy()
    assert found.shape == (64, 12, 15, 1 if grey else 3) and found.dtype == np.uint8
    difference = np.abs(found - expected)
    assert (difference > 0).mean() <= (0.002 if color else 0.0)
    assert difference.max() <= (9 if color else 0)


def test_nothing_waits_for_the_device() -> None:
    with fake_gpu():
        images = torch.empty(4, 12, 15, 3, dtype=torch.uint8, device="cuda")
        offsets = torch.empty(4, 3, dtype=torch.int64, device="cuda")
        with NoCopies():
            assert to_grey(shift_hls(images, offsets)).shape == (4, 12, 15, 1)

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.data.cache.pictures import Pictures, dataset
from vision.data.cache.choice import cached
from vision.data.dataset import CacheSettings
from vision.data.sample import Sample
from vision.data.sampler import Draw


class Jpegs(Pictures):
    """Smooth photographs of 130x101 px."""

    def __init__(self, count: int) -> None:
        super().__init__([(1, 1)] * count)
        small = np.random.default_rng(0).integers(0, 256, (count, 4, 5, 3), np.uint8)
        images = [cv2.resize(image, (130, 101), interpolation=cv2.INTER_CUBIC) for image in small]
        self.files = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes() for image in images]


DRAW = Draw(np.arange(4), np.arange(4, dtype=np.uint64))


@pytest.mark.parametrize("stage", ["train", "validation"])
def test_scaled_decoding_changes_pixels_only_a_little(stage: str) -> None:
    plain = dataset(Jpegs(4), stage, resize="16")
    scaled = dataset(Jpegs(4), stage, resize="16", scaled_decode=True)
    assert scaled.scales and not plain.scales
    assert scaled.decode(scaled.reader[0]).shape == (26, 33, 3)
    one, other = (source.__getitems__(DRAW).images.float() for source in (plain, scaled))
    # Other pictures differ by 70 levels.
    assert 0 < (one - other).abs().mean() < 8


@pytest.mark.parametrize("values", [{}, {"resize": "90"}])
def test_without_a_resize_that_reduces_nothing_is_scaled(values: dict[str, str]) -> None:
    source = dataset(Jpegs(4), scaled_decode=True, **values)
    sample: Sample = source.reader[0]
    assert source.decode(sample).shape == (101, 130, 3)


def test_the_cache_keeps_what_is_decoded() -> None:
    source = dataset(Jpegs(4), cache=CacheSettings("memory"), resize="16", scaled_decode=True)
    assert np.array_equal(cached(source, "train").__getitems__(DRAW).images, source.__getitems__(DRAW).images)

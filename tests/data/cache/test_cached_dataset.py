from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.cache.pictures import Pictures, dataset
from vision.algorithms.object_detection.targets import DetectionTarget, collate_targets
from vision.algorithms.object_detection.transforms import SSDAugmentation
from vision.data.cache.cached_dataset import CachedDataset, CachedImageDataset
from vision.data.cache.choice import cached
from vision.data.collate import Batch
from vision.data.dataset import CacheSettings, ImageDataset
from vision.data.sample import RawTarget
from vision.data.sampler import Draw
from vision.settings.errors import DataError

SIZES = {
    "one size": [(15, 14)] * 30,
    "many sizes": [(12 + index % 5, 10 + index % 7) for index in range(30)],
    "some too small": [(15, 14)] * 28 + [(11, 14), (15, 9)],
}
LEVELS = [None, "crop", "crop_color", "crop_color_transform"]


def draws(count: int) -> list[Draw]:
    rng = np.random.default_rng(1)
    return [Draw(rng.integers(0, count, 16), rng.integers(0, 2**64, 16, np.uint64)) for _ in range(5)]


def assert_equal(found: Batch, expected: Batch) -> None:
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.indices, expected.indices)
    assert found.broken == expected.broken
    if expected.targets is None:
        assert found.targets is None
    else:
        assert torch.equal(found.targets, expected.targets)


@pytest.mark.parametrize("kind", ["memory", "disk"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_training_batches_are_those_of_image_by_image(
    sizes: list[tuple[int, int]], level: str | None, channels: int, kind: str, tmp_path: Path
) -> None:
    settings = CacheSettings(kind, tmp_path)  # type: ignore[arg-type]
    source = dataset(Pictures(sizes), "train", level, settings, image_shape=f"{channels},12,10")
    kept = cached(source, "train")
    assert isinstance(kept, CachedDataset) and not kept.on_device
    assert kept.works_by_image == (level in ("crop_color", "crop_color_transform"))
    source.reader.reads = 0  # type: ignore[attr-defined]
    for draw in draws(30):
        batch = kept.__getitems__(draw)
        assert source.reader.reads == 0  # type: ignore[attr-defined]
        assert_equal(batch, source.__getitems__(draw))
        source.reader.reads = 0  # type: ignore[attr-defined]
        assert batch.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("resize", [None, "13"])
def test_validation_keeps_exactly_what_it_shows(resize: str | None) -> None:
    # Of different sizes, which validation brings to one.
    reader = Pictures([(15, 14), (20, 11), (8, 30)])
    values = {} if resize is None else {"resize": resize}
    source = dataset(reader, "validation", "crop", CacheSettings("memory"), **values)
    draw = Draw(np.arange(3), np.zeros(3, np.uint64))
    kept = cached(source, "validation")
    assert isinstance(kept, CachedDataset)
    assert_equal(kept.__getitems__(draw), source.__getitems__(draw))


@pytest.mark.parametrize("stage", ["train", "validation"])
@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_broken_images_are_named_and_replaced_as_without_a_cache(stage: str, kind: str, tmp_path: Path) -> None:
    settings = CacheSettings(kind, tmp_path)  # type: ignore[arg-type]
    reader = Pictures([(12, 10)] * 30, broken=(3, 4, 29))
    for _ in range(2):
        source = dataset(reader, stage, "crop", settings)
        kept = cached(source, stage)
        assert isinstance(kept, CachedDataset)
        for draw in draws(30):
            assert_equal(kept.__getitems__(draw), source.__getitems__(draw))
        everything = Draw(np.array([3, 4, 13, 29]), np.arange(4, dtype=np.uint64))
        assert_equal(kept.__getitems__(everything), source.__getitems__(everything))
        assert "picture 13: has the label 13" in " ".join(reason for _, reason in kept.__getitems__(everything).broken)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_on_a_device_crop_and_mirror_give_the_same_pixels(sizes: list[tuple[int, int]]) -> None:
    source = dataset(Pictures(sizes), cache=CacheSettings("memory"))
    here = cached(source, "train")
    assert isinstance(here, CachedDataset)
    there = CachedDataset(source, here.kept, here.random_part, torch.device("cpu"))
    assert there.on_device and not there.works_by_image
    # The host has room for other things.
    assert not there.kept.pixels.size
    for draw in draws(30):
        assert_equal(there.__getitems__(draw), here.__getitems__(draw))


def decode_box(raw: RawTarget, key: str) -> DetectionTarget:
    """One box, which follows from the picture's number; 13 is a label that cannot be used."""
    assert isinstance(raw, np.ndarray)
    if raw[0] == 13:
        raise DataError(key, "has the label 13")
    left = float(raw[0]) / 60
    return DetectionTarget(np.array([[left, 0.2, left + 0.4, 0.9]]), np.array([1]), np.array([False]))


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_detection_is_the_same_from_kept_images(kind: str, tmp_path: Path) -> None:
    sizes = [(40 + index % 3, 50 - index % 4) for index in range(30)]
    source = ImageDataset(
        Pictures(sizes, broken=(3, 4)),
        decode_box,
        SSDAugmentation(32),
        collate_targets,
        replace_broken=True,
        cache=CacheSettings(kind, tmp_path),  # type: ignore[arg-type]
    )
    kept = cached(source, "train")
    assert isinstance(kept, CachedImageDataset)
    draw = Draw(np.arange(30), np.arange(100, 130, dtype=np.uint64))
    expected = source.__getitems__(draw)
    source.reader.reads = 0  # type: ignore[attr-defined]
    found = kept.__getitems__(draw)
    assert source.reader.reads == 0  # type: ignore[attr-defined]
    assert torch.equal(found.images, expected.images) and torch.equal(found.indices, expected.indices)
    assert all(torch.equal(one, other) for one, other in zip(found.targets, expected.targets, strict=True))
    assert found.broken == expected.broken and {index for index, _ in found.broken} == {3, 4, 13}

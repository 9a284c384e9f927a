from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.cache.pictures import Pictures
from vision.algorithms.object_detection.targets import DetectionTarget, collate_targets
from vision.algorithms.object_detection.transforms import SSDAugmentation
from vision.data.cache.choice import cached
from vision.data.cache.kept_dataset import KeptDataset
from vision.data.cache.settings import CacheSettings
from vision.data.dataset import ImageDataset
from vision.data.sample import RawTarget
from vision.data.sampler import Draw
from vision.settings.errors import DataError


def decode_target(raw: RawTarget, key: str) -> DetectionTarget:
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
        decode_target,
        SSDAugmentation(32),
        collate_targets,
        replace_broken=True,
        cache=CacheSettings(kind, tmp_path),  # type: ignore[arg-type]
    )
    kept = cached(source, "train")
    assert isinstance(kept, KeptDataset)
    draw = Draw(np.arange(30), np.arange(100, 130, dtype=np.uint64))
    expected = source.__getitems__(draw)
    source.reader.reads = 0  # type: ignore[attr-defined]
    found = kept.__getitems__(draw)
    assert source.reader.reads == 0  # type: ignore[attr-defined]
    assert torch.equal(found.images, expected.images) and torch.equal(found.indices, expected.indices)
    assert all(torch.equal(one, other) for one, other in zip(found.targets, expected.targets, strict=True))
    assert found.broken == expected.broken and {index for index, _ in found.broken} == {3, 4, 13}

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest

from tests.data.cache.pictures import Pictures, dataset
from vision.data.cache import choice
from vision.data.cache.cached_dataset import CachedDataset
from vision.data.cache.choice import cached
from vision.data.dataset import CacheSettings, ImageDataset
from vision.settings.errors import UserError

SAME = [(15, 14)] * 8
# 8 images of 15 x 14 x 3 bytes.
BYTES = 8 * 630


def keep(reader: Pictures, kind: str, folder: Path, level: str = "crop", epochs: int = 2, processes: int = 1) -> object:
    settings = CacheSettings(kind, folder, epochs=epochs, processes=processes)  # type: ignore[arg-type]
    return cached(dataset(reader, "train", level, settings), "train")


@pytest.mark.parametrize(
    ("kind", "epochs", "processes", "free", "is_kept"),
    [
        ("auto", 2, 1, 4 * BYTES, True),
        ("auto", 2, 1, 4 * BYTES - 1, False),
        ("auto", 2, 2, 8 * BYTES, True),
        ("auto", 2, 2, 8 * BYTES - 2, False),
        ("auto", 1, 1, 10**9, False),
        ("memory", 1, 1, BYTES, True),
        ("none", 9, 1, 10**9, False),
        ("disk", 1, 1, 0, True),
    ],
)
def test_images_are_kept_where_there_is_room(
    kind: str, epochs: int, processes: int, free: int, is_kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "free_memory_bytes", lambda: free)
    found = keep(Pictures(SAME), kind, tmp_path, epochs=epochs, processes=processes)
    assert type(found) is (CachedDataset if is_kept else ImageDataset)
    assert bool(list(tmp_path.iterdir())) == (kind == "disk")


def test_memory_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "free_memory_bytes", lambda: BYTES - 1)
    with pytest.raises(UserError, match=r"channel 'train' takes 8 images of 14x15, .*set run.cache=disk"):
        keep(Pictures(SAME), "memory", tmp_path)


@pytest.mark.parametrize(("kind", "level"), [("auto", logging.INFO), ("memory", logging.WARNING), ("disk", 30)])
def test_images_that_cannot_be_kept_are_decoded_anew_with_a_sentence(
    kind: str, level: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vision")
    assert type(keep(Pictures(SAME, broken=tuple(range(8))), kind, tmp_path)) is ImageDataset
    (record,) = [record for record in caplog.records if "anew" in record.getMessage()]
    assert record.levelno == level
    assert re.search("channel 'train'.*none can be read", record.getMessage())


def test_a_channel_that_is_far_too_large_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vision")
    monkeypatch.setattr(choice, "free_memory_bytes", lambda: 1000 * 630)
    reader = Pictures([(15, 14)] * 600)
    assert type(keep(reader, "auto", tmp_path)) is ImageDataset
    assert reader.reads < 100
    assert "far more than a quarter of the 0.00063 GB" in caplog.text


def test_a_transform_that_cannot_be_divided_works_image_by_image(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = dataset(Pictures(SAME), cache=CacheSettings("memory", tmp_path))
    source.transform = lambda image, target, rng_seed, key: (np.ascontiguousarray(image[:4, :4]), target)
    assert cached(source, "train") is source
    assert "this augmentation does not say what of it is always the same" in caplog.text

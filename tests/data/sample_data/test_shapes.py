"""Scenes with masks: what is written, and that masks lie where the shapes are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vision.data.image_codec import decode_rgb
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.pixel_counts import count_pixels
from vision.data.readers.mask_files import MaskFilesReader
from vision.data.sample_data.scenes import BRIGHTEST_TEXTURE
from vision.data.sample_data.shapes import CLASS_NAMES, draw_shapes, write_shapes


def test_writes_four_folders_that_training_reads(tmp_path: Path) -> None:
    assert write_shapes(tmp_path, train=30, validation=3, side_px=64, seed=0) == {"train": 30, "validation": 3}

    reader = MaskFilesReader(tmp_path / "train", tmp_path / "train_annotation")
    counts = count_pixels(reader, MaskDecoder(len(CLASS_NAMES)))

    assert reader.class_names == CLASS_NAMES
    assert (counts.num_masks, counts.problems, counts.absent) == (30, (), ())
    assert counts.ignored > 0
    assert 0.5 < counts.shares[0] < 0.95
    assert len(list((tmp_path / "validation").iterdir())) == 3
    assert decode_rgb(reader[0].encoded, "").shape == (64, 64, 3)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, train in (("a", 2), ("b", 3)):
        write_shapes(tmp_path / name, train=train, validation=1, side_px=48, seed=5)

    for file in ("train/00001.jpg", "train_annotation/00001.png", "validation/00000.jpg"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_shapes_are_brighter_than_the_background_and_masks_lie_on_them() -> None:
    for seed in range(20):
        scene = draw_shapes(np.random.default_rng(seed), 96)
        brightest = scene.image.max(2).astype(int)

        assert (brightest[(scene.mask > 0) & (scene.mask < 255)] > BRIGHTEST_TEXTURE).mean() > 0.99
        assert np.percentile(brightest[scene.mask == 0], 99) < BRIGHTEST_TEXTURE + 30

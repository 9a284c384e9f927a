"""Inspection of images with a mask each."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from vision.data.inspect.inspection import inspect, to_json
from vision.data.masks.mask_png import write_mask
from vision.data.readers.mask_files import MaskFilesReader

MASKS = {
    "a": [[0, 1], [1, 255]],
    "b": [[0, 0], [0, 0]],
    "c": [[0, 2]],
}


def test_masks_are_counted_by_pixels_and_classes_and_wrong_ones_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("train", "train_annotation"):
        (tmp_path / folder).mkdir()
    for name, mask in MASKS.items():
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (2, 2, 3), np.uint8)).save(buffer, "PNG")
        (tmp_path / "train" / f"{name}.png").write_bytes(buffer.getvalue())
        (tmp_path / "train_annotation" / f"{name}.png").write_bytes(write_mask(np.array(mask, np.uint8)))
    reader = MaskFilesReader(tmp_path / "train", tmp_path / "train_annotation")

    found = inspect({"train": reader}, 1, lambda count: None)

    document = to_json(found)["channels"]["train"]
    assert document["pixels"] == [5, 2]
    assert document["ignored_pixels"] == 1
    assert [entry["count"] for entry in document["classes"]] == [2, 1]
    sentences = {issue.code: issue.sentence for issue in found.issues}
    assert "1 of 3 masks show one class alone; b.png (train_annotation/b.png): shows 0 alone" in sentences["pure_mask"]
    assert "the mask has 2x1 pixels, but its image has 2x2" in sentences["unusable_label"]
    assert found.channels[0].look().task == "mask"

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.algorithms.algorithm import LabeledChannel
from vision.algorithms.semantic_segmentation.targets import mask_decoder
from vision.data.readers.open import open_channel
from vision.settings.channels import Channel
from vision.settings.errors import DataError

RED_BGR, WHITE_BGR, GREEN_BGR = (0, 0, 255), (255, 255, 255), (0, 255, 0)


def write_manifest(path: Path, *names: str) -> None:
    colors = {"BACKGROUND": "#ffffff", "crack": "#ff0000", "dent": "#00ff00"}
    color_map = {str(key): {"class-name": name, "hex-color": colors[name]} for key, name in enumerate(names)}
    line = {"source-ref": "i.png", "mask-ref": "m.png", "mask-ref-metadata": {"internal-color-map": color_map}}
    path.write_text(json.dumps(line) + "\n")


@pytest.mark.parametrize("name", ["train", "validation"])
def test_masks_of_ground_truth_are_read_by_the_colors_of_training(tmp_path: Path, name: str) -> None:
    """Validation, whose lines name fewer classes, gives a class the id that it has in training."""
    cv2.imwrite(str(tmp_path / "i.png"), np.zeros((1, 3, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "m.png"), np.array([[RED_BGR, WHITE_BGR, GREEN_BGR]], np.uint8))
    write_manifest(tmp_path / "train.manifest", "BACKGROUND", "dent", "crack")
    write_manifest(tmp_path / "validation.manifest", "crack", "dent")
    channels = {channel: Channel(tmp_path / f"{channel}.manifest") for channel in ("train", "validation")}
    reader = open_channel(channels, name)
    decode = mask_decoder(LabeledChannel(name, channels, reader), 3)
    assert decode(reader.target(0), reader.key(0)).tolist() == [[2, 0, 1]]


def test_fewer_classes_than_the_color_map_names_are_refused(tmp_path: Path) -> None:
    for name in ("i.png", "m.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((1, 3, 3), np.uint8))
    write_manifest(tmp_path / "train.manifest", "BACKGROUND", "dent", "crack")
    channels = {"train": Channel(tmp_path / "train.manifest")}
    with pytest.raises(DataError, match=r"train: has masks of 3 classes, .* dent, crack\): set num_classes=3"):
        mask_decoder(LabeledChannel("train", channels, open_channel(channels, "train")), 2)

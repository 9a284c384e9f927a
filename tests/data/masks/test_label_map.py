"""Label maps as SageMaker documents them, our extensions, and the sentences about wrong ones."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from vision.data.masks.label_map import NO_CLASS, PLAIN, parse_label_map, read_label_map
from vision.settings.errors import DataError


@pytest.mark.parametrize("scale", ["3", 3, 3.0])
def test_scale_divides_and_keeps_the_ignored_value(scale: object) -> None:
    classes = parse_label_map({"scale": scale}, "map", 80).class_by_value

    assert classes[[0, 2, 3, 6, 8, 254, 255]].tolist() == [0, 0, 1, 2, 2, 84, 255]


def test_map_gives_the_value_of_each_class() -> None:
    # AWS's example: values 0, 5, 2 become classes 1, 0, 2.
    classes = parse_label_map({"map": {"0": 5, "1": "0", "2": 2}}, "map", 3).class_by_value

    assert classes[[0, 5, 2, 1, 255]].tolist() == [1, 0, 2, NO_CLASS, 255]


def test_map_takes_lists_and_a_default() -> None:
    classes = parse_label_map({"map": {"0": [0, 7], "1": 255}, "default": 255}, "map", 2).class_by_value

    assert classes[[0, 7, 255, 3]].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ([], "is no label map"),
        ({"scale": 1, "map": {}}, "is no label map"),
        ({"scale": 0}, "must be a number from 1 to 255"),
        ({"scale": 1, "shift": 1}, "unknown key 'shift'"),
        ({"map": {}}, "no JSON object with classes"),
        ({"map": {"0": 0, "255": 1}, "default": 0}, "must be 255"),
        ({"map": {"0": 300}}, "300 as pixel value of class 0"),
        ({"map": {"0": 5, "1": 5}}, "gives the pixel value 5 to the classes 0 and 1"),
        ({"map": {"0": 0, "128": 1}}, r'perhaps \{"map": \{"0": 0, "1": 128\}\} is meant'),
        ({"map": {"a": 0}}, r"and 255 for ignored pixels\)$"),
    ],
)
def test_wrong_maps_are_refused(raw: object, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        parse_label_map(raw, "train_label_map.json", 2)


def test_reads_the_file_of_its_channel(tmp_path: Path) -> None:
    (tmp_path / "train_label_map.json").write_text(json.dumps({"scale": "5"}))

    assert read_label_map(tmp_path, "train", 3).stated == {"scale": "5"}
    assert read_label_map(tmp_path, "validation", 3) is PLAIN
    assert read_label_map(None, "train", 3) is PLAIN
    (tmp_path / "train_label_map.json").write_text("scale=5")
    with pytest.raises(DataError, match=r"train_label_map\.json: is not JSON"):
        read_label_map(tmp_path, "train", 3)


def test_travels_to_loader_processes() -> None:
    copied = pickle.loads(pickle.dumps(PLAIN))

    assert copied.is_identity
    assert copied.stated == {"scale": 1}
    assert np.array_equal(copied.class_by_value, PLAIN.class_by_value)


@pytest.mark.parametrize("given", ["maps/train_label_map.json", "maps", "nowhere"])
def test_a_path_without_label_maps_is_refused(tmp_path: Path, given: str) -> None:
    """Else masks would be read as if there were no label map."""
    (tmp_path / "maps").mkdir()
    name = "train_label_map.json" if given.endswith(".json") else "label_map.json"
    (tmp_path / "maps" / name).write_text("{}")
    with pytest.raises(DataError, match=r"is no folder with label maps; give .* a folder with train_label_map.json"):
        read_label_map(tmp_path / given, "train", 3)

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vision.data.inspect.inspection import inspect, to_json
from vision.data.inspect.issues import Inspection
from vision.data.look import DataLook, look_at
from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter


def picture(seed: int, size: tuple[int, int] = (40, 30), mode: str = "RGB", form: str = "PNG") -> bytes:
    """Blocks of random colours, so that no two pictures look alike."""
    rng = np.random.default_rng(seed)
    blocks = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    buffer = io.BytesIO()
    blocks.resize(size, Image.Resampling.NEAREST).convert(mode).save(buffer, form)
    return buffer.getvalue()


def inspected(tmp_path: Path, workers: int = 1, **channels: list[tuple[object, bytes]]) -> Inspection:
    readers = {}
    for name, records in channels.items():
        with RecordIOWriter(tmp_path / f"{name}.rec") as writer:
            for number, (label, encoded) in enumerate(records):
                writer.write(number, pack(label, number, encoded))  # type: ignore[arg-type]
        readers[name] = RecordIOReader([tmp_path / f"{name}.rec"])
    done: list[int] = []
    inspection = inspect(readers, workers, done.append)
    assert sum(done) == sum(map(len, channels.values()))
    return inspection


def counts(inspection: Inspection) -> dict[str, int]:
    return {issue.code: issue.count for issue in inspection.issues}


@pytest.mark.parametrize("workers", [1, 2])
def test_clean_classes(workers: int, tmp_path: Path) -> None:
    train = [(number % 2, picture(number)) for number in range(10)]
    found = inspected(tmp_path, workers, train=train, validation=[(1, picture(99))])
    assert counts(found) == {"absent_class": 1}
    assert found.errors == 0
    document = to_json(found)["channels"]["train"]
    assert [entry["count"] for entry in document["classes"]] == [5, 5]
    assert document["kinds"] == {"PNG RGB": 10}
    assert document["sizes_px"] == [{"width": 40, "height": 30, "count": 10}]


def test_one_class_alone_is_an_error(tmp_path: Path) -> None:
    found = inspected(tmp_path, train=[(0, picture(number)) for number in range(3)])
    assert counts(found) == {"one_class": 1}
    assert found.errors == 1


@pytest.mark.parametrize("labels", [[0, 1, 1], [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], "boxes"])
def test_settings_are_chosen_by_an_inspection_as_by_a_quick_look(labels: Any, tmp_path: Path) -> None:
    packed = [boxes((1, 0.25, 0.25, 0.75, 0.5)), boxes((0, 0, 0, 1, 1), (1, 0, 0, 0.5, 1)), boxes()]
    pairs = zip(packed if labels == "boxes" else labels, map(picture, range(3)), strict=True)
    channel = inspected(tmp_path, train=list(pairs)).channels[0]
    quick, thorough = look_at(RecordIOReader([tmp_path / "train.rec"])), channel.look()
    assert quick is not None
    for field in dataclasses.fields(DataLook):
        np.testing.assert_array_equal(getattr(thorough, field.name), getattr(quick, field.name), field.name)


def test_every_kind_of_dirt(tmp_path: Path) -> None:
    copy, grey = picture(1), picture(50, mode="L", form="JPEG")
    near = io.BytesIO()
    Image.open(io.BytesIO(picture(2))).save(near, "JPEG", quality=90)
    train = [(0, copy), (0, picture(2)), (0, copy), (1, picture(3)), (0, b"no image"), (0.5, picture(4)), (0, grey)]
    validation = [(1, picture(3)), (1, copy), (2, near.getvalue())]
    found = inspected(tmp_path, train=train, validation=validation)
    assert counts(found) == {
        "broken_image": 1,
        "unusable_label": 1,
        "unknown_class": 1,
        "leak": 2,
        "contradiction": 1,
        "absent_class": 1,
        "duplicate": 1,
        "near_leak": 1,
    }
    assert found.errors == 5
    groups = {issue.code: issue.groups for issue in found.issues}
    assert [[(place.channel, place.index) for place in group] for group in groups["leak"]] == [
        [("train", 0), ("train", 2), ("validation", 1)],
        [("train", 3), ("validation", 0)],
    ]
    assert [(place.channel, place.index, place.detail) for place in groups["near_leak"][0]] == [
        ("train", 1, "0"),
        ("validation", 2, "2"),
    ]
    assert to_json(found)["channels"]["train"]["kinds"] == {"PNG RGB": 5, "broken": 1, "JPEG L": 1}
    json.dumps(to_json(found), allow_nan=False)


def boxes(*rows: tuple[float, ...]) -> list[float]:
    return [2, 5, *(number for row in rows for number in row)]


@pytest.mark.parametrize(
    ("rows", "code", "severity"),
    [
        ([(0, 0.1, 0.1, 0.1, 0.5)], "box_without_area", "error"),
        ([(0, 0.5, 0.1, 0.4, 0.5)], "box_inverted", "error"),
        ([(0, 1.1, 0.1, 1.4, 0.5)], "box_outside", "error"),
        ([(0.5, 0.1, 0.1, 0.4, 0.5)], "box_class", "error"),
        ([(0, 0.8, 0.1, 1.4, 0.5)], "box_partly_outside", "warning"),
        ([(0, 0.1, 0.1, 0.11, 0.5)], "box_tiny", "warning"),
        ([(0, 0.1, 0.1, 0.5, 0.5), (0, 0.1, 0.1, 0.5, 0.51)], "box_twice", "warning"),
        ([(0, 0.1, 0.1, 0.5, 0.5), (0, 0.1, 0.1, 0.5, 0.6)], None, ""),
        ([(0, 0.1, 0.1, 0.5, 0.5), (1, 0.1, 0.1, 0.5, 0.5)], None, ""),
        ([], "image_without_boxes", "warning"),
    ],
)
def test_boxes(rows: list[tuple[float, ...]], code: str | None, severity: str, tmp_path: Path) -> None:
    sound = boxes((0, 0.2, 0.2, 0.6, 0.6), (1, 0.1, 0.1, 0.3, 0.3))
    found = inspected(tmp_path, train=[(sound, picture(0)), (boxes(*rows), picture(1)), (sound, picture(2))])
    assert [(issue.code, issue.severity, issue.count) for issue in found.issues] == (
        [] if code is None else [(code, severity, 1)]
    )
    if rows and code:
        (((place,),),) = (issue.groups for issue in found.issues)
        assert (place.index, place.boxes[0]) == (1, pytest.approx(rows[-1][1:]))


def test_numbers_of_boxes(tmp_path: Path) -> None:
    many = [(0, 0.01 * n, 0.25, 0.01 * n + 0.5, 0.75) for n in range(0, 40, 10)] * 18
    found = inspected(tmp_path, train=[(boxes(*many), picture(0)), (boxes((1, 0, 0, 0.5, 1)), picture(1))])
    document = to_json(found)["channels"]["train"]["boxes"]
    assert (document["count"], document["label_width"]) == (73, 362)
    # Half of 40x30 pixels; the other box is 20x30.
    assert document["height_px"]["middle"] == pytest.approx(15)
    assert document["aspect_ratio"]["least"] == pytest.approx(20 / 30, abs=1e-3)
    assert found.channels[0].look().label_width == 362


def test_classes_counted_from_one(tmp_path: Path) -> None:
    found = inspected(tmp_path, train=[(1 + number % 2, picture(number)) for number in range(6)])
    assert "counted from 1" in found.issues[0].sentence

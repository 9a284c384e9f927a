from __future__ import annotations

import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.data.counting import counted_line, with_counts
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter
from vision.settings.errors import UserError


def records(path: Path, labels: list[float | list[float]]) -> dict[str, object]:
    with RecordIOWriter(path) as writer:
        for number, label in enumerate(labels):
            writer.write(number, pack(label, number, b"\xff\xd8 an image"))
    return {"train": str(path)}


def test_counts_images_and_classes_that_were_left_out(tmp_path: Path) -> None:
    channels = records(tmp_path / "train.rec", [0.0, 2.0, 1.0, 2.0])
    assert with_counts({"epochs": "3"}, channels) == {"epochs": "3", "num_training_samples": 4, "num_classes": 3}


def test_what_was_given_stays(tmp_path: Path) -> None:
    given = {"num_training_samples": "1000", "num_classes": 10}
    assert with_counts(given, records(tmp_path / "train.rec", [0.0, 1.0])) == given


def test_class_folders_count_as_classes(tmp_path: Path) -> None:
    for name in ("cat", "dog", "eel"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(b"\xff\xd8")
    assert with_counts({}, {"train": str(tmp_path)}) == {"num_training_samples": 3, "num_classes": 3}


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], 3),
        ([[2.0, 5.0, 0.0, 0.1, 0.1, 0.2, 0.2], [2.0, 5.0, 6.0, 0.1, 0.1, 0.2, 0.2]], 7),
        ([[2.0, 5.0], [2.0, 5.0, 0.0, 0.1, 0.1, 0.2, 0.2, 3.0, 0.1, 0.1, 0.2, 0.2]], 4),
        ([[2.0, 5.0]], None),
        ([[0.0, 1.0, 2.0]], None),
    ],
)
def test_labels_of_several_numbers(tmp_path: Path, labels: list[float | list[float]], classes: int | None) -> None:
    found = with_counts({}, records(tmp_path / "train.rec", labels))
    assert found.get("num_classes") == classes
    assert found["num_training_samples"] == len(labels)


@pytest.mark.parametrize("shown", [True, False])
def test_a_terminal_shows_progress_where_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    with_counts({}, records(tmp_path / "train.rec", [[1.0, 0.0], [0.0, 1.0]]), shows_progress=shown)
    assert ("counting classes" in sys.stderr.getvalue()) is shown  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [0, 255])
def test_masks_of_one_class_have_another_that_they_do_not_show(tmp_path: Path, value: int) -> None:
    """So that the masks are judged, and not a number that nobody gave."""
    for folder in ("train", "train_annotation"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "1.png"), np.full((2, 2), value, np.uint8))
    channels = {name: str(tmp_path / name) for name in ("train", "train_annotation")}
    assert with_counts({}, channels, (".png",))["num_classes"] == 2


def test_names_beside_a_record_file_count(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\neel\n")
    assert with_counts({}, records(tmp_path / "train.rec", [0.0, 1.0]))["num_classes"] == 3


def test_what_was_counted_is_said_in_one_line() -> None:
    settled = {"num_classes": "3", "num_training_samples": "9", "epochs": "1"}
    assert counted_line({}, settled) == "counted in channel 'train': hp.num_classes=3 hp.num_training_samples=9"
    assert counted_line({"num_classes": 3, "num_training_samples": 9}, settled) is None


def test_a_channel_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "train.rec").write_bytes(b"PK\x03\x04 no records")
    with pytest.raises(UserError, match=r"train\.rec"):
        with_counts({"epochs": 1}, {"train": str(tmp_path / "train.rec")})


def test_channels_that_are_set_wrongly_are_left_to_the_check_of_the_settings() -> None:
    assert with_counts({"epochs": 1}, {}) == {"epochs": 1}
    assert with_counts({"epochs": 1}, {"train": {"paht": "x"}}) == {"epochs": 1}

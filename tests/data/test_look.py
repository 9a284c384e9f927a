from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vision.data.look import look_at
from vision.data.readers.folder import FolderReader
from vision.data.readers.mask_files import MaskFilesReader
from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter


def png(width: int, height: int) -> bytes:
    return cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()


def test_class_folders(tmp_path: Path) -> None:
    for name, size in (("a/1.png", (30, 20)), ("a/2.png", (50, 20)), ("b/3.png", (40, 60))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(*size))
    (tmp_path / "b/broken.png").write_bytes(b"no image at all")
    found = look_at(FolderReader(tmp_path))
    assert found is not None
    assert (found.task, found.num_images, found.class_names, found.num_classes) == ("single", 4, ("a", "b"), 2)
    assert found.median_px == (40, 20)


def test_packed_boxes_and_several_classes(tmp_path: Path) -> None:
    labels = {"boxes": [2, 5, 1, 0.1, 0.1, 0.6, 0.3], "multi": [1.0, 0.0, 1.0]}
    for name, label in labels.items():
        with RecordIOWriter(tmp_path / f"{name}.rec") as writer:
            writer.write(0, pack(label, 0, png(64, 48)))
    boxes = look_at(RecordIOReader([tmp_path / "boxes.rec"]))
    assert boxes is not None
    assert (boxes.task, boxes.num_classes, boxes.label_width, boxes.median_px) == ("boxes", 2, 7, (64, 48))
    np.testing.assert_allclose(boxes.box_sides_unit, [np.sqrt(0.5 * 0.2)], rtol=1e-6)
    multi = look_at(RecordIOReader([tmp_path / "multi.rec"]))
    assert multi is not None
    assert (multi.task, multi.num_classes) == ("multi", 3)


def test_classes_of_masks_are_left_for_later(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(png(8, 8))
    found = look_at(MaskFilesReader(tmp_path / "images", tmp_path / "masks"))
    assert found is not None
    assert (found.task, found.num_classes) == ("mask", 0)


def test_labels_that_say_nothing(tmp_path: Path) -> None:
    with RecordIOWriter(tmp_path / "odd.rec") as writer:
        writer.write(0, pack([0.5, 0.25], 0, png(8, 8)))
    assert look_at(RecordIOReader([tmp_path / "odd.rec"])) is None

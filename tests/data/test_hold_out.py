from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.data.hold_out import hold_out
from vision.data.readers.folder import FolderReader
from vision.settings.errors import UserError


def write(root: Path, counts: dict[str, int], seed: int = 0) -> FolderReader:
    """Write images of noise, each unlike the others, into class folders."""
    rng = np.random.default_rng(seed)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(root / name / f"{number:03}.png"), rng.integers(0, 255, (12, 12, 3), np.uint8))
    return FolderReader(root)


def classes(reader: FolderReader, indices: np.ndarray) -> list[int]:
    return np.bincount([int(reader.target(index)[0]) for index in indices], minlength=2).tolist()


def test_a_share_of_every_class_is_held_out_and_the_seed_repeats_it(tmp_path: Path) -> None:
    reader = write(tmp_path, {"a": 40, "b": 10})
    held_out = hold_out(reader, 0.2, 0)
    assert classes(reader, held_out) == [8, 2]
    assert hold_out(reader, 0.2, 0).tolist() == held_out.tolist()
    assert hold_out(reader, 0.2, 1).tolist() != held_out.tolist()
    assert classes(reader, hold_out(reader, 0.3, 0)) == [12, 3]


def test_equal_and_alike_images_stay_on_one_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(10):
            image = cv2.resize(rng.integers(0, 255, (6, 6, 3), np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), image)
            cv2.imwrite(str(tmp_path / name / f"{number}_copy.png"), image)
            cv2.imwrite(str(tmp_path / name / f"{number}_smaller.jpg"), cv2.resize(image, (48, 48)))
    reader = FolderReader(tmp_path)
    held_out = {reader.path(index) for index in hold_out(reader, 0.25, 0).tolist()}
    assert held_out
    for path in held_out:
        stem = path.split(".")[0].split("_")[0]
        assert {f"{stem}.png", f"{stem}_copy.png", f"{stem}_smaller.jpg"} <= held_out


@pytest.mark.parametrize("counts", [{"a": 2, "b": 2}, {"a": 1, "b": 3}, {"a": 100, "b": 1}, {"a": 3}])
def test_training_keeps_every_class_of_few_images(tmp_path: Path, counts: dict[str, int]) -> None:
    reader = write(tmp_path, counts)
    held_out = hold_out(reader, 0.2, 0)
    assert len(held_out) > 0
    left = classes(reader, np.setdiff1d(np.arange(len(reader)), held_out))
    assert all(left[: len(counts)])


def test_nothing_is_measured_on_broken_images(tmp_path: Path) -> None:
    write(tmp_path, {"a": 10, "b": 10})
    for number in range(8):
        (tmp_path / f"a/broken{number}.jpg").write_bytes(b"no image at all")
    reader = FolderReader(tmp_path)
    held_out = hold_out(reader, 0.2, 0)
    assert classes(reader, held_out) == [2, 2]
    assert not any("broken" in reader.path(index) for index in held_out.tolist())


@pytest.mark.parametrize("counts", [{"a": 1, "b": 1}, {"a": 1}])
def test_one_image_of_each_class_cannot_be_divided(tmp_path: Path, counts: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"readable images .* too few to hold some out .* channels\.validation=PATH"):
        hold_out(write(tmp_path, counts), 0.2, 0)

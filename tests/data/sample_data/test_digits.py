from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn import datasets

from vision.data.readers.recordio import RecordIOReader
from vision.data.sample_data.digits import load_digits, split_digits, write_digits
from vision.settings.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    assert write_digits(folder, seed=0) == {"train": 1438, "validation": 359}
    return folder


def test_the_folder_holds_both_files_with_their_index_and_the_names(folder: Path) -> None:
    names = ["classes.txt", "train.idx", "train.rec", "validation.idx", "validation.rec"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert (folder / "classes.txt").read_text().split() == list("0123456789")


def test_the_images_are_those_of_scikit_learn_each_under_its_own_label(folder: Path) -> None:
    bundle = datasets.load_digits()
    images: dict[int, list[np.ndarray]] = {digit: [] for digit in range(10)}
    encodings = set()
    for name in ("train", "validation"):
        reader = RecordIOReader([folder / f"{name}.rec"])
        for index in range(len(reader)):
            sample = reader[index]
            image = cv2.imdecode(np.frombuffer(sample.encoded, np.uint8), cv2.IMREAD_UNCHANGED)
            assert image.shape == (28, 28, 3)
            encodings.add(bytes(sample.encoded))
            images[int(sample.target[0])].append(image[:, :, 0])
    assert len(encodings) == len({image.tobytes() for image in bundle.images})
    # A source pixel covers 3.5 x 3.5 pixels; these lie in its middle.
    middles = np.array([1, 5, 8, 12, 15, 19, 22, 26])
    for digit, found in images.items():
        expected = bundle.images[bundle.target == digit]
        assert len(found) == len(expected)
        ours = np.mean(found, axis=0)[np.ix_(middles, middles)] / 255 * 16
        assert np.abs(ours - expected.mean(axis=0)).max() < 2


def test_a_fifth_of_every_class_is_kept_for_validation() -> None:
    parts = split_digits(load_digits(), seed=3)
    counts = {name: np.bincount(part.labels) for name, part in parts.items()}
    total = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    np.testing.assert_array_equal(counts["train"] + counts["validation"], total)
    np.testing.assert_array_equal(counts["validation"], [36, 36, 35, 37, 36, 36, 36, 36, 35, 36])


def test_the_seed_decides_the_split_and_nothing_else_does(folder: Path, tmp_path: Path) -> None:
    write_digits(tmp_path / "same", seed=0)
    write_digits(tmp_path / "other", seed=1)
    read = {name: (tmp_path / name / "validation.rec").read_bytes() for name in ("same", "other")}
    assert read["same"] == (folder / "validation.rec").read_bytes()
    assert read["other"] != read["same"]


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UserError, match=r"pip install 'vision\[quickstart\]'"):
        load_digits()

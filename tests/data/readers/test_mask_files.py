from __future__ import annotations

import pickle
import re

import pytest

from vision.data.readers.mask_files import MaskFilesReader
from vision.data.sample import Reader, Remarking
from vision.settings.errors import DataError

MASKS = {
    "train/a.jpg": b"a",
    "train/b.png": b"b",
    "train_annotation/a.png": b"mask of a",
    "train_annotation/b.PNG": b"mask of b",
    "train_annotation/notes.txt": "",
}


def opened(root) -> MaskFilesReader:
    return MaskFilesReader(root / "train", root / "train_annotation")


def test_masks_pair_by_name_and_are_given_as_bytes(tree) -> None:
    reader = opened(tree(MASKS))
    assert isinstance(reader, Reader)
    assert isinstance(reader, Remarking)
    keys = ["a.jpg (train_annotation/a.png)", "b.png (train_annotation/b.PNG)"]
    assert [reader.key(index) for index in range(2)] == keys
    for copy in (reader, pickle.loads(pickle.dumps(reader))):
        assert [copy.target(index) for index in range(2)] == [b"mask of a", b"mask of b"]
        assert [copy[1].encoded, copy[1].target] == [b"b", b"mask of b"]
    assert reader.class_names is None
    assert not reader.remarks


def test_accents_pair_however_they_are_written(tree) -> None:
    root = tree({"train/e\u0301.jpg": b"image", "train_annotation/\u00e9.png": b"mask"})
    assert opened(root).target(0) == b"mask"


@pytest.mark.parametrize(
    ("more", "remark"),
    [
        ({"train/train_annotation/a.png": b""}, "1 folders in .*train, .* left out: train_annotation/$"),
        ({"train/thumbs.db": b"", "train/read.me": b""}, "2 files in .*train are no images and left out: read.me, thu"),
        ({"train_annotation/c.png": b""}, "1 masks in .*train_annotation have no image of their name .*: c.png$"),
    ],
)
def test_what_is_left_out_is_a_remark(tree, more: dict[str, bytes], remark: str) -> None:
    reader = opened(tree({**MASKS, **more}))
    assert len(reader) == 2
    (said,) = reader.remarks
    assert re.search(remark, said), said


def test_missing_masks_are_counted_and_the_first_ten_named(tree) -> None:
    root = tree({**MASKS, **{f"train/c{number:02}.jpg": b"" for number in range(15)}})
    with pytest.raises(DataError, match=r"15 of 17 images in .* have no mask here: c00.jpg, .*, c09.jpg, \.\.\.; give"):
        opened(root)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"train/a.jpg": b"", "train_annotation/a.json": b""}, "holds no PNG files; it holds files ending in .json"),
        ({"train/a.jpg": b"", "train_annotation/x/a.png": b""}, "no PNG files at its top, but the folder x/"),
        ({"train/x/a.jpg": b"", "train_annotation/a.png": b""}, "no images at its top, but the folder x/"),
        ({"train/a.jxl": b"", "train_annotation/a.png": b""}, "1 image of kinds that cannot be read"),
        ({"train/a.jpg": b"", "train_annotation": b""}, "is no folder; one PNG file for each image must lie there"),
        ({**MASKS, "train/a.png": b""}, "a.png: could belong to a.jpg, a.png; give each its own name"),
        ({**MASKS, "train_annotation/a.PNG": b""}, "a.png: belongs to the same image as a.PNG; keep one of the two"),
    ],
)
def test_bad_masks(tree, files: dict[str, str | bytes], sentence: str) -> None:
    root = tree(files)
    with pytest.raises(DataError, match=sentence):
        opened(root)

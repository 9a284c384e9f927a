from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from vision.data.readers.folder import FolderReader
from vision.data.sample import Reader
from vision.settings.errors import DataError

PETS = {"train/dogs/1.png": None, "train/cats/b/2.JPG": None, "train/cats/a.png": None}


def test_sorted_folders_are_the_classes(tree) -> None:
    root = tree(PETS) / "train"
    reader = FolderReader(root)
    assert isinstance(reader, Reader)
    assert reader.class_names == ("cats", "dogs")
    for copy in (reader, pickle.loads(pickle.dumps(reader))):
        assert [copy.key(index) for index in range(len(copy))] == [
            "train/cats/a.png",
            "train/cats/b/2.JPG",
            "train/dogs/1.png",
        ]
        assert [copy[index].target.tolist() for index in range(3)] == [[0], [0], [1]]
        assert copy[2].encoded == (root / "dogs/1.png").read_bytes()
        assert copy.target(2).dtype == np.float32


def test_a_model_s_classes_number_the_folders(tree) -> None:
    root = tree(PETS)
    reader = FolderReader(root / "train", ["birds", "cats", "dogs"])
    assert reader.class_names == ("birds", "cats", "dogs")
    assert [reader.target(index).tolist() for index in range(3)] == [[1], [1], [2]]


def test_accents_written_in_another_way_are_the_same_class(tree) -> None:
    root = tree({"train/K\u00e4se/1.png": None, "validation/Ka\u0308se/2.png": None, "both/Ka\u0308se/3.png": None})
    reader = FolderReader(root / "validation", ["Brot", "K\u00e4se"])
    assert reader.class_names == ("Brot", "K\u00e4se")
    assert reader.target(0).tolist() == [1]
    (root / "both/K\u00e4se").mkdir()
    with pytest.raises(DataError, match=r"holds two class folders .* whose accents are written in different ways"):
        FolderReader(root / "both")


def test_names_of_any_script_are_classes_and_images(tree) -> None:
    names = ("a\u202fb", "\u00a0x", "\u30001", "a\u200cb\u200d", "a, b=[c]", "-x", "tab\there")
    reader = FolderReader(tree({f"train/{name}/{name}.png": None for name in names}) / "train")
    assert reader.class_names == tuple(sorted(names))
    assert {reader.path(index) for index in range(len(reader))} == {f"{name}/{name}.png" for name in names}
    assert all(reader[index].encoded for index in range(len(reader)))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (b"caf\xe9/1.png", r"train: holds the folder 'caf\\xe9', whose name is not UTF-8; rename it"),
        (b"cats/caf\xe9.png", r"train/cats: holds the image 'caf\\xe9.png', whose name is not UTF-8; rename it"),
        (b"   /1.png", "holds the class folder '   ', whose name is blank; rename it"),
        (b"cats/1.JXL", "holds 1 image of kinds that cannot be read .*first 'cats/1.JXL'.*save them as JPEG or PNG"),
        (b"raw/1.cr2", r"holds 1 image of kinds that cannot be read \(1 Canon raw; first 'raw/1.cr2'\)"),
        (b"1.nef", "holds 1 image without a class"),
    ],
)
def test_what_cannot_be_trained_is_told_when_opened(name: bytes, sentence: str, tree) -> None:
    root = tree(PETS) / "train"
    path = root / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(DataError, match=sentence):
        FolderReader(root)


def test_other_files_are_left_out_with_a_remark(tree, caplog: pytest.LogCaptureFixture) -> None:
    root = tree({**PETS, "train/README.txt": "", "train/cats/notes.txt": "", "train/cats/.DS_Store": ""})
    reader = FolderReader(root / "train")
    assert (len(reader), caplog.text) == (3, "")
    assert reader.remarks == ("left out 1 file without the suffix of an image, first 'cats/notes.txt'",)


@pytest.mark.parametrize(
    ("files", "names", "sentence"),
    [
        ({"train/x.png": None}, None, "holds 1 image without a class (first x.png)"),
        ({**PETS, "train/x.png": None}, None, "without a class beside the folders cats, dogs (first x.png)"),
        ({"train/readme.txt": ""}, None, ("holds no images; put each image into a folder named after its class")),
        ({**PETS, "train/birds/x.txt": ""}, None, "class folder 'birds' holds no images"),
        ({"train/cats/x.txt": ""}, ["cats"], "holds no images in its class folders"),
        (PETS, ["cats"], "folder 'dogs' is not one of the classes cats; rename it"),
        ({"other": ""}, None, "cannot be read as a folder"),
    ],
)
def test_bad_folders(tree, files: dict[str, str | None], names: list[str] | None, sentence: str) -> None:
    root = tree(files)
    with pytest.raises(DataError) as caught:
        FolderReader(root / "train", names)
    assert sentence in str(caught.value)

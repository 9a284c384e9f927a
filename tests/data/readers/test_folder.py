from __future__ import annotations

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


def test_other_files_are_left_out_aloud(tree, caplog: pytest.LogCaptureFixture) -> None:
    root = tree({**PETS, "train/README.txt": "", "train/cats/notes.txt": "", "train/cats/.DS_Store": ""})
    assert len(FolderReader(root / "train")) == 3
    assert "1 files are no images and left out, first cats/notes.txt" in caplog.text


@pytest.mark.parametrize(
    ("files", "names", "sentence"),
    [
        ({"train/x.png": None}, None, "holds 1 images without a class (first x.png)"),
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

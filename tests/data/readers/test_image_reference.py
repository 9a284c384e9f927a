from __future__ import annotations

import pytest

from vision.data.readers.image_reference import ImageReferences


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("a.png", "a.png"),
        ("sub/b.png", "sub/b.png"),
        ("s3://bucket/a.png", "a.png"),
        ("s3://bucket/sub/b.png", "sub/b.png"),
        ("s3://bucket/project/train/sub/b.png", "sub/b.png"),
        ("s3://bucket/elsewhere/a.png", "a.png"),
    ],
)
def test_references_below_the_folder(tree, reference: str, path: str) -> None:
    root = tree({"a.png": None, "sub/b.png": None})
    assert ImageReferences(root).find(reference) == path


def test_file_addresses_are_absolute(tree) -> None:
    root = tree({"my cat.png": None})
    assert ImageReferences(root / "x").find((root / "my cat.png").as_uri()) == str(root / "my cat.png")


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        (None, "names its image by None, which must be a path or an address"),
        (7, "names its image by 7"),
        ("", "names its image by ''"),
        ("b.png", "file 'b.png' does not exist below"),
        ("../a.png", "must be relative to"),
        ("/etc/hostname", "must be relative to"),
        ("file://host/a.png", "a local file is written file:///folder/image.jpg"),
        ("file:///no/such.png", "but there is no such file"),
        ("s3://bucket/dogs/b.png", ("neither by its key nor by its file name; copy it there (aws s3 cp s3://bucket")),
        ("s3://bucket", "no copy of it lies below"),
        ("s3://bucket/../../etc/hostname", "no copy of it lies below"),
        ("https://host/a.png", "download the image and give its path instead"),
        ("s3://bucket/seq/frames.json", "a Ground Truth video manifest must be turned into one line for each frame"),
    ],
)
def test_bad_references(tree, reference: object, sentence: str) -> None:
    root = tree({"images/a.png": None, "a.png": None})
    with pytest.raises(ValueError) as caught:
        ImageReferences(root / "images").find(reference)
    assert sentence in str(caught.value)


def test_two_objects_never_share_a_file(tree) -> None:
    references = ImageReferences(tree({"1.png": None}))
    assert references.find("s3://b/cats/1.png") == "1.png"
    assert references.find("s3://b/cats/1.png") == "1.png"
    with pytest.raises(ValueError, match=r"1.png below .* already stands for 's3://b/cats/1.png'; keep the folders"):
        references.find("s3://b/dogs/1.png")

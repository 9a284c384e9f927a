from __future__ import annotations

import os
from pathlib import Path

import pytest

from vision.data.im2rec.listing import ListOptions, list_images, write_lists
from vision.settings.errors import DataError

FILES = ("b/2.JPG", "b/1.png", "a/x.jpeg", "a/deep/y.jpg", "top.jpg", "notes.txt", "c/z.gif")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "images"


def lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def test_folders_are_numbered_in_walking_order(root: Path, tmp_path: Path) -> None:
    options = ListOptions(recursive=True, shuffle=False)
    listing = list_images(root, options)
    assert listing.folders == (".", "a", "a/deep", "b")
    write_lists(f"{tmp_path}/out/all", listing, options)
    assert lines(f"{tmp_path}/out/all.lst") == [
        "0\t0.000000\ttop.jpg",
        "1\t1.000000\ta/x.jpeg",
        "2\t2.000000\ta/deep/y.jpg",
        "3\t3.000000\tb/1.png",
        "4\t3.000000\tb/2.JPG",
    ]


def test_without_recursion_only_the_top_counts(root: Path) -> None:
    assert list_images(root, ListOptions()).images == [(0, "top.jpg", 0)]
    assert list_images(root / "c", ListOptions(extensions=(".gif",))).images == [(0, "z.gif", 0)]


@pytest.mark.parametrize("extension", [".JPG", ".jpg", "jpg", ".Jpg"])
def test_extensions_match_in_capital_and_small_letters(extension: str, root: Path) -> None:
    (root / "b/3.jpg").touch()
    images = list_images(root / "b", ListOptions(extensions=(extension,))).images
    assert [name for _, name, _ in images] == ["2.JPG", "3.jpg"]


# What MXNet 1.9.1's tool wrote for 10 images 0.jpg to 9.jpg in one folder with these options.
MXNET_ORDER = [4, 0, 5, 9, 3, 1, 6, 8, 7, 2]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"": MXNET_ORDER}),
        ({"train_ratio": 0.5, "test_ratio": 0.2}, {"_test": [4, 0], "_train": [5, 9, 3, 1, 6], "_val": [8, 7, 2]}),
        ({"train_ratio": 0.75}, {"_train": MXNET_ORDER[:7], "_val": MXNET_ORDER[7:]}),
        ({"train_ratio": 0.0, "test_ratio": 1.0}, {"_test": MXNET_ORDER, "_train": []}),
        ({"train_ratio": 0.9, "test_ratio": 0.5}, {"_test": MXNET_ORDER[:5], "_train": MXNET_ORDER[5:]}),
        ({"train_ratio": 1.5}, {"_train": MXNET_ORDER}),
        ({"chunks": 3}, {"_0": MXNET_ORDER[:4], "_1": MXNET_ORDER[4:8], "_2": MXNET_ORDER[8:]}),
    ],
)
def test_order_and_parts_are_mxnets(options: dict[str, float], expected: dict[str, list[int]], tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(10):
        (tmp_path / "images" / f"{number}.jpg").touch()
    settings = ListOptions(**options)  # type: ignore[arg-type]
    write_lists(f"{tmp_path}/x", list_images(tmp_path / "images", settings), settings)
    written = {path.stem.removeprefix("x"): path for path in tmp_path.glob("*.lst")}
    assert {name: [int(line.split("\t")[0]) for line in lines(str(path))] for name, path in written.items()} == expected


def test_names_that_a_list_cannot_hold_are_told(root: Path) -> None:
    (root / "b/tab\there.jpg").touch()
    listing = list_images(root, ListOptions(recursive=True))
    assert len(listing.images) == 5
    assert listing.skipped.sentences == [
        "'b/tab\\there.jpg': holds a tab or a line break, which a line of a text file cannot hold; rename it"
    ]


def test_names_of_any_script_are_listed_and_one_that_is_not_utf8_is_refused(root: Path) -> None:
    (root / "c/a\u202fb\u00a0\u3000\u200c\u200d.jpg").touch()
    listing = list_images(root / "c", ListOptions())
    assert [name for _, name, _ in listing.images] == ["a\u202fb\u00a0\u3000\u200c\u200d.jpg"]
    assert listing.others == ("z.gif",)
    (root / os.fsdecode(b"c/caf\xe9.jpg")).touch()
    with pytest.raises(DataError, match=r"holds the image 'c/caf\\xe9.jpg', whose name is not UTF-8; rename it"):
        list_images(root, ListOptions(recursive=True))


def test_a_link_that_leads_back_is_an_error(root: Path) -> None:
    os.symlink(root, root / "a/loop")
    with pytest.raises(DataError, match="link to a folder that holds it"):
        list_images(root, ListOptions(recursive=True))

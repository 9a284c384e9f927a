"""A disk that fills up, or an output folder that vanishes: a sentence, and nothing that looks complete."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.convert.conftest import converted, output_in, png
from tests.files.limits import files_of_at_most
from vision.data.convert.conversion import convert
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS
from vision.files.write_error import WriteError
from vision.settings.errors import UserError

Write = Callable[..., Path]
BOXES = "".join(f"{number}\t2\t6\t0\t0.125\t0.5\t0.25\t1\t0\t{number}.png\n" for number in range(4))
CLASSES = "".join(f"{number}\t{number % 2}\t{number}.png\n" for number in range(4))
TARGETS = ("annotation_json", "coco", "folder", "lst", "manifest", "recordio", "voc", "yolo")


@pytest.fixture
def lists(write: Write) -> Path:
    images = {f"{number}.png": png(shade=number) for number in range(4)}
    return write({"boxes.lst": BOXES, "classes.lst": CLASSES, "classes.txt": "zebra\napple\n", **images})


def source_for(lists: Path, target: str) -> Path:
    return lists / ("classes.lst" if target == "folder" else "boxes.lst")


# Links need no room, so that with them the files of labels are the first to fail.
@pytest.mark.parametrize("images", ["copy", "link"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_full_disk_is_a_sentence(lists: Path, tmp_path: Path, target: str, images: str) -> None:
    output = tmp_path / "out"
    with files_of_at_most(8), pytest.raises(WriteError, match=r"out.* cannot be written, since it would be larger"):
        converted(source_for(lists, target), "lst", target, output, images)
    assert not list(output.rglob("*.part"))
    assert not output_in(output, target).is_file()
    assert not (output / "data.yaml").exists()


@pytest.mark.parametrize("target", ["annotation_json", "folder", "voc", "yolo"])
def test_a_folder_that_vanishes_is_not_made_again(lists: Path, tmp_path: Path, target: str) -> None:
    output, done = tmp_path / "out", []

    def advance(count: int) -> None:
        done.append(count)
        if len(done) == 3:
            shutil.rmtree(output)

    source = FORMATS["lst"].source(source_for(lists, target), SourceOptions())
    with pytest.raises(WriteError, match=r"its folder does not exist, or was removed meanwhile"):
        convert(source, target, output, "copy", 1, advance)
    assert not output.exists()


@pytest.mark.parametrize("target", sorted({*TARGETS} - {"recordio"}))
def test_images_that_go_meanwhile_are_missed(lists: Path, tmp_path: Path, target: str) -> None:
    output = tmp_path / "out"

    def advance(count: int) -> None:
        for placed in output.rglob("0.png"):
            placed.unlink()

    source = FORMATS["lst"].source(source_for(lists, target), SourceOptions())
    with pytest.raises(UserError, match=r"0\.png was written and is gone: another program removes files there"):
        convert(source, target, output_in(output, target), "copy", 1, advance)

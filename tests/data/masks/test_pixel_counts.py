"""Counting the masks of a channel, against a table counted by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vision.data.dataset import ImagePipeline
from vision.data.inspect.scan import scan
from vision.data.masks.label_map import parse_label_map
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_png import write_mask
from vision.data.masks.pixel_counts import count_pixels
from vision.data.readers.mask_files import MaskFilesReader
from vision.data.readers.subset import SubsetReader
from vision.data.sample import Reader, Sample
from vision.settings.errors import DataError


class Masks:
    """A reader of masks uint8 [H, W], with images of ``size_px`` (width, height)."""

    class_names = None

    def __init__(self, *masks: list[list[int]], size_px: tuple[int, int] = (2, 2)) -> None:
        self.masks = [write_mask(np.array(mask, np.uint8)) for mask in masks]
        self.size_px = size_px

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int) -> Sample:
        image = np.zeros((*self.size_px[::-1], 3), np.uint8)
        return Sample(cv2.imencode(".jpg", image)[1].tobytes(), self.target(index), self.key(index))

    def target(self, index: int) -> bytes:
        return self.masks[index]

    def key(self, index: int) -> str:
        return f"{index}.png"

    def image_size_px(self, index: int) -> tuple[int, int]:
        return self.size_px


def test_counts_pixels_and_images_of_each_class() -> None:
    steps: list[int] = []

    counts = count_pixels(Masks([[0, 0], [1, 255]], [[0, 2], [2, 2]], [[0, 0], [0, 0]]), MaskDecoder(4), steps.append)

    assert counts.pixels.tolist() == [7, 1, 3, 0]
    assert counts.images.tolist() == [3, 1, 1, 0]
    assert (counts.ignored, counts.num_masks, counts.absent, counts.problems) == (1, 3, (3,), ())
    assert counts.shares.tolist() == [7 / 11, 1 / 11, 3 / 11, 0]
    assert steps == [3]


def test_many_masks_are_counted_in_order_of_their_blocks() -> None:
    masks = [[[index % 3, 0], [0, 0]] for index in range(100)]
    steps: list[int] = []

    counts = count_pixels(Masks(*masks), MaskDecoder(3), steps.append)

    assert counts.pixels.tolist() == [334, 33, 33]
    assert steps == [32, 32, 32, 4]


def test_names_the_masks_that_cannot_be_used_once_for_each_kind() -> None:
    wrong = [[9, 9], [0, 0]]

    counts = count_pixels(Masks([[0, 1], [0, 0]], wrong, wrong, [[0, 1]]), MaskDecoder(2))

    assert counts.num_masks == 1
    assert counts.pixels.tolist() == [3, 1]
    assert [sentence[:60] for sentence in counts.problems] == [
        "2 times, in 1.png, 2.png: the mask has the values 9 in 2 pix",
        "3.png: the mask has 2x1 pixels, but its image has 2x2; scale",
    ]


def test_binary_masks_of_0_and_255_are_told_apart_from_ignored_pixels() -> None:
    masks = Masks([[0, 255], [255, 0]])
    label_map = parse_label_map({"map": {"0": 0, "1": 255}}, "map", 2)

    assert "have the values 0 and 255 alone" in count_pixels(masks, MaskDecoder(2)).problems[0]
    counts = count_pixels(masks, MaskDecoder(2, label_map))
    assert (counts.pixels.tolist(), counts.problems) == ([2, 2], ())


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(("size_px", "fits"), [((3, 2), True), ((2, 3), False), ((4, 4), False)])
def test_check_inspection_and_training_agree_on_turned_pairs(
    orientation: int, size_px: tuple[int, int], fits: bool, tmp_path: Path
) -> None:
    # A mask of the turned size fits an image that its EXIF orientation lays on its side.
    fits = fits or (size_px == (2, 3) and orientation >= 5)
    exif = Image.Exif()
    exif[274] = orientation
    for folder in ("train", "masks"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "train" / "a.jpg", exif=exif)
    (tmp_path / "masks" / "a.png").write_bytes(write_mask(np.ones(size_px[::-1], np.uint8)))
    reader = MaskFilesReader(tmp_path / "train", tmp_path / "masks")

    assert _counted(reader) is fits
    assert _counted(SubsetReader(reader, np.array([0]))) is fits
    assert [part.labels for part in scan(reader, 1)] == [[(1,) if fits else None]]
    assert _is_prepared(reader) is fits


@pytest.mark.parametrize(("size_px", "odd"), [((3, 2), True), ((2, 3), False)])
def test_masks_that_are_turned_with_their_image_are_named(size_px: tuple[int, int], odd: bool, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    for folder in ("train", "masks"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "train" / "a.jpg", exif=exif)
    (tmp_path / "masks" / "a.png").write_bytes(write_mask(np.ones(size_px[::-1], np.uint8)))
    remarks = count_pixels(MaskFilesReader(tmp_path / "train", tmp_path / "masks"), MaskDecoder(2)).remarks

    assert [remark.split(",")[0] for remark in remarks] == [
        "a.jpg (masks/a.png): the mask has the size that the image is stored in"
    ] * odd


def test_grey_masks_saved_in_color_are_named() -> None:
    masks = Masks([[0, 1], [1, 0]])
    masks.masks.append(cv2.imencode(".png", np.full((2, 2, 3), 1, np.uint8))[1].tobytes())
    counts = count_pixels(masks, MaskDecoder(2))

    assert counts.pixels.tolist() == [2, 6]
    (remark,) = counts.remarks
    assert remark.startswith("1.png: the mask is a grey picture saved in color")


def test_background_alone_counts_with_the_pixels_of_its_image() -> None:
    counts = count_pixels(Masks([[0]], size_px=(4, 3)), MaskDecoder(2))

    assert (counts.pixels.tolist(), counts.problems) == ([12, 0], ())


def test_a_damaged_image_is_no_fault_of_its_mask() -> None:
    class Damaged(Masks):
        def image_size_px(self, index: int) -> tuple[int, int]:
            raise DataError(self.key(index), "is cut off")

        def __getitem__(self, index: int) -> Sample:
            raise DataError(self.key(index), "is cut off")

    assert count_pixels(Damaged([[0, 1]]), MaskDecoder(2)).num_masks == 1


def _counted(reader: Reader) -> bool:
    return count_pixels(reader, MaskDecoder(2)).num_masks == 1


def _is_prepared(reader: Reader) -> bool:
    """Return whether training can load the first image with its mask."""
    pipeline = ImagePipeline(MaskDecoder(2), lambda image, target, seed, key: (image, target), list)
    try:
        image, mask = pipeline.prepare(reader[0], None)
    except DataError:
        return False
    return bool(image.shape[:2] == mask.shape)

"""From files to class ids, and what is said of masks that cannot be used."""

from __future__ import annotations

import io
import pickle

import cv2
import numpy as np
import pytest
from PIL import Image

from vision.data.containers.image_parts import ImageHeader
from vision.data.dataset import ImagePipeline
from vision.data.masks.color_map import ColorMap
from vision.data.masks.label_map import parse_label_map
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.masks.mask_frame import upright_mask
from vision.data.masks.mask_png import write_mask
from vision.data.sample import Sample
from vision.settings.errors import DataError


def grey(values: list[list[int]], dtype: type = np.uint8) -> bytes:
    return cv2.imencode(".png", np.array(values, dtype))[1].tobytes()


def color(values: list[list[list[int]]]) -> bytes:
    """PNG of RGB or RGBA pixels."""
    pixels = np.array(values, np.uint8)
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return cv2.imencode(".png", pixels[..., order])[1].tobytes()


@pytest.mark.parametrize(
    "encoded",
    [
        grey([[0, 1], [2, 255]]),
        grey([[0, 1], [2, 255]], np.uint16),
        write_mask(np.array([[0, 1], [2, 255]], np.uint8)),
        color([[[0, 0, 0], [1, 1, 1]], [[2, 2, 2], [255, 255, 255]]]),
        color([[[0, 0, 0, 255], [1, 1, 1, 255]], [[2, 2, 2, 255], [255, 255, 255, 255]]]),
    ],
    ids=["grey", "16-bit", "palette", "grey in color", "opaque"],
)
def test_values_are_class_ids(encoded: bytes) -> None:
    decoder = pickle.loads(pickle.dumps(MaskDecoder(3)))

    classes = decoder(encoded, "a.png")

    assert classes.dtype == np.uint8
    assert classes.tolist() == [[0, 1], [2, 255]]


def test_a_label_map_turns_values_into_classes() -> None:
    decoder = MaskDecoder(2, parse_label_map({"map": {"0": 0, "1": 255}}, "map", 2))

    assert decoder(grey([[0, 255]]), "a.png").tolist() == [[0, 1]]
    with pytest.raises(DataError, match=r"values 7 in 1 pixels, which the label map does not name"):
        decoder(grey([[0, 7]]), "a.png")


def test_colors_count_where_they_are_given() -> None:
    colors = ColorMap(("a", "b"), (((0, 0, 0), 0), ((9, 99, 0), 1)))

    assert MaskDecoder(2, colors=colors)(color([[[0, 0, 0], [9, 99, 0]]]), "a.png").tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (grey([[0, 128, 128]]), r'values 128 in 2 pixels, but num_classes=3 allows 0 to 2 .* \{"0": 0, "1": 128\}'),
        (grey([[1, 2, 3, 255]]), "background included: set num_classes=4 or shift"),
        (grey([[0, 1, 2, 3]]), "set num_classes=4"),
        (grey([[0, 600]], np.uint16), "16-bit values up to 600"),
        (grey([[0, 257 * 3]], np.uint16), "grey levels times 257"),
        (color([[[0, 0, 0], [1, 2, 3]]]), r"is in color \(2 colors: #000000, #010203\)"),
        (color([[[1, 1, 1, 255], [1, 1, 1, 9]]]), "has transparent pixels"),
        ({"annotations": []}, "has no mask"),
    ],
)
def test_masks_that_cannot_be_used(encoded: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=rf"^a\.png: .*{reason}"):
        MaskDecoder(3)(encoded, "a.png")


MASK = np.array([[0, 1, 2], [3, 4, 5]], np.uint8)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (ImageHeader("JPEG", 3, 2), MASK),
        (ImageHeader("JPEG", 3, 2, orientation=6), np.rot90(MASK, -1)),
        (ImageHeader("JPEG", 2, 3, orientation=6), MASK),
        (ImageHeader("JPEG", 3, 2, orientation=3), np.rot90(MASK, 2)),
    ],
    ids=["upright", "drawn on the stored pixels", "drawn on the turned image", "upside down"],
)
def test_masks_are_turned_as_their_images_are(header: ImageHeader, expected: np.ndarray) -> None:
    assert np.array_equal(upright_mask(MASK, header, "a.png"), expected)


def test_loading_turns_masks_with_their_images() -> None:
    image = Image.fromarray(np.array([[0, 90, 180], [200, 220, 240]], np.uint8))
    exif = Image.Exif()
    exif[274] = 6
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    sample = Sample(buffer.getvalue(), write_mask(MASK), "a.png")
    pipeline = ImagePipeline(MaskDecoder(6), lambda image, target, seed, key: (image, target), list)

    pixels, mask = pipeline.prepare(sample, None)

    assert pixels[..., 0].tolist() == [[200, 0], [220, 90], [240, 180]]
    assert mask.tolist() == [[3, 0], [4, 1], [5, 2]]


def test_masks_of_another_size_are_refused_but_for_background_alone() -> None:
    header = ImageHeader("JPEG", 4, 2)

    assert np.array_equal(upright_mask(np.zeros((16, 16), np.uint8), header, "a.png"), np.zeros((2, 4), np.uint8))
    with pytest.raises(DataError, match=r"a\.png: the mask has 3x2 pixels, but its image has 4x2"):
        upright_mask(MASK, header, "a.png")

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vision.data.im2rec.encoding import (
    CannotPackError,
    PackOptions,
    chosen_label,
    payload_of_line,
    resized_px,
)
from vision.data.labels import task_of
from vision.data.recordio.record import unpack


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([2, 5, 0, 0.1, 0.1, 0.5, 0.5], True),
        ([4, 5, 640, 480, 0, 0.1, 0.1, 0.5, 0.5], True),
        ([2, 6, 0, 0.1, 0.1, 0.5, 0.5, 1], True),
        ([2, 5], True),
        ([2, 5, 0, 0.1, 0.1, 0.5], False),
        ([1, 5, 0, 0.1, 0.1, 0.5], False),
        ([2, 4, 0, 0.1, 0.1, 0.5], False),
        ([2.5, 5, 0, 0.1, 0.1, 0.5, 0.5], False),
        ([9, 5, 0, 0.1], False),
        ([1, 0, 1], False),
        ([3], False),
    ],
)
def test_boxes_are_told_by_their_header(labels: list[float], expected: bool) -> None:
    assert (task_of(np.array(labels)) == "boxes") is expected


@pytest.mark.parametrize(
    ("labels", "pack_label", "expected"),
    [
        ([7], None, 7),
        ([7], True, 7),
        ([0, 1, 1], None, [0, 1, 1]),
        ([2, 5, 0, 0.1, 0.1, 0.5, 0.5], None, [2, 5, 0, 0.1, 0.1, 0.5, 0.5]),
        ([2, 5, 0, 0.1, 0.1, 0.5, 0.5], False, 2),
        ([0.25, 0.75], True, [0.25, 0.75]),
        ([0.25, 0.75], None, None),
    ],
)
def test_labels_are_packed_by_what_they_are(labels: list[float], pack_label: bool | None, expected: object) -> None:
    if expected is None:
        with pytest.raises(CannotPackError, match="--no-pack-label"):
            chosen_label(labels, pack_label)
    else:
        assert chosen_label(labels, pack_label) == expected


@pytest.mark.parametrize(
    ("size", "shorter", "expected"),
    [((640, 480), 256, (341, 256)), ((480, 640), 256, (256, 341)), ((10, 10), 20, (20, 20)), ((3, 7), 2, (2, 4))],
)
def test_the_longer_edge_is_rounded_down(size: tuple[int, int], shorter: int, expected: tuple[int, int]) -> None:
    assert resized_px(*size, shorter) == expected


def ramp(height: int, width: int) -> np.ndarray:
    """BGR uint8 [H, W, 3]: blue grows to the right, green downwards."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width) % 256
    image[..., 1] = (np.arange(height) % 256)[:, None]
    return image


def packed_image(tmp_path: Path, image: np.ndarray, name: str = "a.png", **options: object) -> np.ndarray:
    cv2.imwrite(str(tmp_path / name), image)
    settings = PackOptions(str(tmp_path), encoding=".png", quality=3, **options)  # type: ignore[arg-type]
    record_id, payload = payload_of_line(f"5\t1\t{name}\n", settings)
    assert record_id == 5
    decoded = cv2.imdecode(np.frombuffer(unpack(payload, "").encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return decoded


def test_a_center_crop_takes_the_middle(tmp_path: Path) -> None:
    wide = ramp(10, 17)
    # Margin 3 on the left: (17 - 10) // 2.
    np.testing.assert_array_equal(packed_image(tmp_path, wide, center_crop=True), wide[:, 3:13])
    tall = ramp(17, 10)
    np.testing.assert_array_equal(packed_image(tmp_path, tall, center_crop=True), tall[3:13])


def test_grey_and_unchanged(tmp_path: Path) -> None:
    with_alpha = np.dstack([ramp(8, 9), np.full((8, 9), 7, np.uint8)])
    assert packed_image(tmp_path, with_alpha, color=0).shape == (8, 9)
    assert packed_image(tmp_path, with_alpha, color=1).shape == (8, 9, 3)
    np.testing.assert_array_equal(packed_image(tmp_path, with_alpha, color=-1), with_alpha)


def test_pixels_are_opencvs_and_with_fast_decode_nearly_the_same(tmp_path: Path) -> None:
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8), (0, 0), 6)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    cv2.imwrite(str(tmp_path / "a.jpg"), image)
    expected = cv2.resize(cv2.imread(str(tmp_path / "a.jpg")), (150, 100))
    whole = packed_image(tmp_path, image, "a.jpg", resize=100)
    np.testing.assert_array_equal(whole, expected)
    reduced = packed_image(tmp_path, image, "a.jpg", resize=100, fast_decode=True)
    assert reduced.shape == (100, 150, 3)
    assert 0 < np.abs(reduced.astype(int) - expected).mean() < 4


def test_an_image_is_never_enlarged_by_reduced_decoding(tmp_path: Path) -> None:
    # 151 // 2 = 75 is less than the 76 asked for: decoding at a half would have to enlarge it again.
    image = ramp(151, 200)
    cv2.imwrite(str(tmp_path / "a.jpg"), image)
    expected = cv2.resize(cv2.imread(str(tmp_path / "a.jpg")), (100, 76))
    np.testing.assert_array_equal(packed_image(tmp_path, image, "a.jpg", resize=76, fast_decode=True), expected)

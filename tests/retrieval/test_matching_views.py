from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.retrieval.pictures import picture, reencoded, turned
from vision.retrieval.matching_views import LEAST_INLIERS, agreeing_matches, local_features

CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "re-encoded": reencoded,
    "half the size": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "cropped": lambda image: image[40:200, 30:210],
    "turned by 30 degrees": lambda image: turned(image, 30),
    "upside down": lambda image: image[::-1, ::-1],
    "darker": lambda image: (image * 0.6).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_view_agrees(change: str) -> None:
    image = picture(0)
    other = np.ascontiguousarray(CHANGES[change](image))
    assert agreeing_matches(local_features(image), local_features(other)) >= 2 * LEAST_INLIERS


def test_a_mirrored_view_agrees_only_after_mirroring() -> None:
    image, mirrored = picture(0), cv2.flip(picture(0), 1)
    assert agreeing_matches(local_features(image), local_features(mirrored)) < LEAST_INLIERS
    flipped = local_features(cv2.flip(mirrored, 1))
    assert agreeing_matches(local_features(image), flipped) >= 2 * LEAST_INLIERS
    # The order of the numbers alone does the same, without another look at the pixels.
    turned_around = local_features(mirrored).mirrored()
    assert agreeing_matches(local_features(image), turned_around) >= 0.8 * agreeing_matches(
        local_features(image), flipped
    )


@pytest.mark.parametrize("seed", range(1, 7))
def test_other_pictures_do_not_agree(seed: int) -> None:
    assert agreeing_matches(local_features(picture(0)), local_features(picture(seed))) < LEAST_INLIERS


def test_pictures_without_features_agree_with_nothing() -> None:
    blank = np.zeros((50, 50, 3), np.uint8)
    assert agreeing_matches(local_features(blank), local_features(picture(0))) == 0
    assert agreeing_matches(local_features(blank), local_features(blank)) == 0


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1)])
def test_a_line_of_pixels_has_no_features(shape: tuple[int, int]) -> None:
    assert len(local_features(np.zeros((*shape, 3), np.uint8)).points_px) == 0

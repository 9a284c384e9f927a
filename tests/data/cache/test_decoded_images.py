from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.data.cache.pictures import Pictures, dataset
from vision.algorithms.image_classification.transforms import ClassificationTransform
from vision.data.augmentations.augmentation import Augmentation
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.grey import Grey
from vision.data.augmentations.resize import EnlargeToFit, Resize, ShortSideResize
from vision.data.cache.decoded_images import estimate, measure


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # By hand, of an image 9 high and 30 wide.
        ([], (9, 30, 3)),
        ([ShortSideResize(6)], (6, 20, 3)),
        ([EnlargeToFit(12, 10)], (12, 40, 3)),
        ([ShortSideResize(6), Crop(5, 4, at_random=False), Grey()], (5, 4, 1)),
        ([Resize(7, 8)], (7, 8, 3)),
    ],
)
def test_the_shape_is_known_before_the_pixels(steps: list[Augmentation], expected: tuple[int, int, int]) -> None:
    once = ClassificationTransform(steps)
    assert once.shape_after((9, 30, 3)) == expected
    assert once(np.zeros((9, 30, 3), np.uint8), None, None, "")[0].shape == expected


def test_images_lie_one_after_another_and_those_without_a_header_nowhere() -> None:
    source = dataset(Pictures([(12, 10), (13, 10), (14, 11), (15, 10)], broken=(2,)))
    layout = measure(source, ClassificationTransform([]))
    assert layout.shapes.tolist() == [[12, 10, 3], [13, 10, 3], [0, 0, 0], [15, 10, 3]]
    assert layout.starts.tolist() == [0, 360, 750, 750] and layout.size == 1200
    assert layout.common is None
    assert str(layout) == "4 images of 10x12 to 10x15, 1.2e-06 GB"


def test_broken_ones_among_images_of_one_size_have_that_size() -> None:
    source = dataset(Pictures([(12, 10)] * 4, broken=(0,)))
    layout = measure(source, ClassificationTransform([]))
    assert layout.common == (12, 10, 3) and layout.starts[3] == 3 * 360
    assert str(layout) == "4 images of 10x12, 1.4e-06 GB"


def test_a_reduced_jpeg_is_measured_as_it_is_decoded() -> None:
    reader = Pictures([(101, 63)])
    reader.files[0] = cv2.imencode(".jpg", np.full((101, 63, 3), 90, np.uint8))[1].tobytes()
    source = dataset(reader, scaled_decode=True, resize="14")
    assert source.decoded_shape(reader[0]) == (26, 16, 3) == source.decode(reader[0]).shape


def test_the_estimate_is_that_of_a_sample() -> None:
    sizes = [(10, 10) if index % 2 else (20, 10) for index in range(1000)]
    reader = Pictures(sizes)
    assert estimate(dataset(reader), ClassificationTransform([])) == pytest.approx(1000 * 450, rel=0.2)
    assert reader.reads <= 64

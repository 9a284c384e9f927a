from __future__ import annotations

import pickle
import random

import albumentations as A
import numpy as np
import pytest

from vision.data.augmentations.affine import Affine
from vision.data.augmentations.augmentation import IGNORED_CLASS, Augmentation, SpatialTarget
from vision.data.augmentations.contrast import Contrast
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.expand import Expand
from vision.data.augmentations.grey import Grey
from vision.data.augmentations.hls_shift import HLSShift
from vision.data.augmentations.mirror import Mirror
from vision.data.augmentations.overlap_crop import OverlapCrop
from vision.data.augmentations.resize import ALL_INTERPOLATIONS, EnlargeToFit, Resize, ShortSideResize

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
BOXES = np.array([[0.1, 0.2, 0.4, 0.7], [0.5, 0.5, 0.9, 0.95]])

WITH_BOXES = [
    Resize(30, 30, ALL_INTERPOLATIONS),
    ShortSideResize(32),
    EnlargeToFit(50, 50),
    Crop(36, 50, at_random=True),
    HLSShift(36, 50, 50),
    Contrast(0.5),
    Mirror(),
    Expand(4.0, fill_value=127),
    OverlapCrop((0.1, 0.9), (0.3, 1.0), (0.5, 2.0), trials=10),
]


@pytest.mark.parametrize("augmentation", WITH_BOXES, ids=lambda a: type(a).__name__)
def test_works_inside_compose_with_boxes(augmentation: Augmentation) -> None:
    compose = A.Compose([augmentation], bbox_params=A.BboxParams("albumentations", label_fields=["labels"]), seed=1)
    out = compose(image=IMAGE, bboxes=BOXES, labels=np.array([4, 5]))
    assert out["image"].dtype == np.uint8
    assert len(out["bboxes"]) == len(out["labels"])
    assert set(out["labels"].tolist()) <= {4, 5}


@pytest.mark.parametrize(
    "augmentation", [*WITH_BOXES, Affine(10, 0.1, 0.25, fill_value=127)], ids=lambda a: type(a).__name__
)
def test_calling_it_as_albumentations_does_gives_the_same(augmentation: Augmentation) -> None:
    for seed in range(10):
        augmentation.set_random_state(np.random.default_rng(0), random.Random(seed))
        expected = augmentation(image=IMAGE)["image"]
        rng = random.Random(seed)
        image = IMAGE
        if augmentation.draws(rng):
            image = augmentation.apply(image, **augmentation.draw(rng, image.shape))
        assert np.array_equal(image, expected)


def test_drawing_leaves_the_object_alone_so_that_threads_can_share_it() -> None:
    for augmentation in WITH_BOXES:
        before = pickle.dumps(augmentation)
        augmentation.draw(random.Random(0), IMAGE.shape, SpatialTarget(BOXES))
        assert pickle.dumps(augmentation) == before


@pytest.mark.parametrize(
    "augmentation", [*WITH_BOXES, Affine(10, 0.1, 0.25, fill_value=127), Grey()], ids=lambda a: type(a).__name__
)
def test_a_mask_moves_with_its_image(augmentation: Augmentation) -> None:
    """An image that shows its mask still shows it afterwards, but for the edges that are interpolated."""
    mask = np.zeros((40, 60), np.uint8)
    mask[8:30, 15:48] = 200
    image = np.repeat(mask[:, :, None], 3, axis=2)
    is_pixelwise = isinstance(augmentation, HLSShift | Contrast)
    for seed in range(20):
        rng = random.Random(seed)
        drawn = augmentation.draw(rng, image.shape, SpatialTarget(mask=mask))
        moved = augmentation.apply_to_target(SpatialTarget(mask=mask), image.shape, **drawn)
        shown = augmentation.apply(image, **drawn)[:, :, 0]
        assert moved.boxes_xyxy_unit is None
        assert moved.mask is not None
        assert moved.mask.shape == shown.shape
        assert moved.mask.dtype == np.uint8
        assert set(np.unique(moved.mask)) <= {0, 200, IGNORED_CLASS}
        if is_pixelwise:
            assert moved.mask is mask
            continue
        for value in (0, 200):
            assert (moved.mask[shown == value] == value).mean() > 0.95


@pytest.mark.parametrize("augmentation", [Expand(4.0, fill_value=0), Affine(45, 0.0, 0.0, fill_value=0)])
def test_uncovered_pixels_of_a_mask_count_for_nothing(augmentation: Augmentation) -> None:
    mask = np.full((40, 60), 7, np.uint8)
    image = np.full((40, 60, 3), 9, np.uint8)
    drawn = augmentation.draw(random.Random(1), image.shape)
    moved = augmentation.apply_to_target(SpatialTarget(mask=mask), image.shape, **drawn).mask
    uncovered = augmentation.apply(image, **drawn)[:, :, 0] == 0
    assert moved is not None
    assert uncovered.any()
    assert (moved[uncovered] == IGNORED_CLASS).mean() > 0.97
    assert (moved[~uncovered] == 7).mean() > 0.97


def test_a_mask_moves_inside_compose() -> None:
    mask = (IMAGE[:, :, 0] > 127).astype(np.uint8)
    out = A.Compose([Mirror(p=1.0)])(image=IMAGE, mask=mask)
    assert np.array_equal(out["mask"], mask[:, ::-1])


def test_boxes_cannot_be_turned() -> None:
    affine = Affine(10, 0.1, 0.25, fill_value=127)
    with pytest.raises(NotImplementedError, match="boxes cannot be turned"):
        affine.apply_to_target(SpatialTarget(BOXES), IMAGE.shape, **affine.draw(random.Random(0), IMAGE.shape))

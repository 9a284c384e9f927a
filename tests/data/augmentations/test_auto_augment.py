from __future__ import annotations

from typing import Any, get_args

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import RandAugment, TrivialAugmentWide, _apply_op

from vision.data.augmentations.augmentation import SpatialTarget
from vision.data.augmentations.auto_augment import AutoAugment, Kind, is_signed, strength
from vision.data.augmentations.image_random import ImageRandom

SHAPE = (47, 61, 3)
THEIRS = {
    "brightness": "Brightness",
    "color": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "autocontrast": "AutoContrast",
    "equalize": "Equalize",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateX",
    "translate_y": "TranslateY",
    "rotate": "Rotate",
    "identity": "Identity",
}


def picture() -> np.ndarray:
    noise = np.random.default_rng(0).integers(40, 230, (12, 16, 3), np.uint8)
    return cv2.resize(noise, SHAPE[1::-1], interpolation=cv2.INTER_CUBIC)


def applied(image: np.ndarray, name: str, value: float) -> np.ndarray:
    return AutoAugment("trivial").apply(image, operations=((name, value),))


@pytest.mark.parametrize("level", [0, 7, 30])
@pytest.mark.parametrize("name", THEIRS)
def test_operations_give_the_pixels_of_torchvision(name: str, level: int) -> None:
    for sign in (1.0, -1.0) if is_signed(name) else (1.0,):
        value = sign * strength("trivial", name, level, SHAPE)
        image = torch.from_numpy(picture()).permute(2, 0, 1)
        theirs = _apply_op(image, THEIRS[name], value, InterpolationMode.BILINEAR, [127.0] * 3).permute(1, 2, 0)
        differs = np.abs(applied(picture(), name, value).astype(int) - theirs.numpy().astype(int)) > 2
        # Warps differ where the border is blended with its filling.
        assert differs.mean() < (0.06 if name.startswith(("shear", "rotate")) else 1e-9)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_operations_and_strengths_are_those_of_torchvision(kind: Kind) -> None:
    space: dict[str, Any] = (
        TrivialAugmentWide()._augmentation_space(31)
        if kind == "trivial"
        else RandAugment()._augmentation_space(31, SHAPE[:2])
    )
    assert sorted(space) == sorted(THEIRS.values())
    for name, other in THEIRS.items():
        magnitudes, signed = space[other]
        assert is_signed(name) == signed
        if magnitudes.ndim:
            ours = [strength(kind, name, level, SHAPE) for level in range(31)]
            assert ours == pytest.approx(magnitudes.tolist(), abs=1e-5)


def test_every_operation_is_drawn_about_equally_often() -> None:
    rng = ImageRandom(1)
    drawn = [AutoAugment("trivial").draw(rng, SHAPE)["operations"] for _ in range(2800)]
    counts = {name: sum(one[0][0] == name for one in drawn) for name in THEIRS}
    assert min(counts.values()) > 140
    assert max(counts.values()) < 260
    assert {len(AutoAugment("rand").draw(rng, SHAPE)["operations"]) for _ in range(9)} == {2}
    assert {name for one in drawn for name, value in one if value < 0} == {name for name in THEIRS if is_signed(name)}


def test_a_mask_moves_with_its_image_and_what_is_uncovered_counts_for_nothing() -> None:
    mask = np.zeros(SHAPE[:2], np.uint8)
    mask[10:30, 20:50] = 1
    image = np.repeat(mask[:, :, None] * np.uint8(200), 3, axis=2)
    for name in ("shear_x", "shear_y", "translate_x", "translate_y", "rotate"):
        operations = ((name, 0.3 if name.startswith("shear") else 8.0),)
        moved = AutoAugment("rand").apply_to_target(SpatialTarget(mask=mask), SHAPE, operations=operations).mask
        pixels = AutoAugment("rand").apply(image, operations=operations)[:, :, 0]
        assert 0.005 < (moved == 255).mean() < 0.4
        assert ((pixels > 100) == (moved == 1))[moved != 255].mean() > 0.97


def test_colors_alone_leave_boxes_where_they_are() -> None:
    rng, boxes = ImageRandom(1), np.array([[0.1, 0.2, 0.3, 0.4, 0.0]])
    names = {AutoAugment("trivial", colors_only=True).draw(rng, SHAPE)["operations"][0][0] for _ in range(500)}
    assert names == {name for name in THEIRS if not name.startswith(("shear", "translate", "rotate"))}
    assert AutoAugment("trivial", colors_only=True).apply_to_bboxes(boxes) is boxes


@pytest.mark.parametrize("name", THEIRS)
def test_grey_images_and_images_of_a_pixel_stay_what_they_are_in_shape(name: str) -> None:
    for shape in ((20, 30, 1), (1, 1, 3), (1, 1, 1)):
        image = np.full(shape, 90, np.uint8)
        assert applied(image, name, 3.0 if name == "posterize" else 0.5).shape == shape

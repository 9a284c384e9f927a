from __future__ import annotations

import pytest
import torch

from vision.nn.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize, to_grey

IMAGES = torch.tensor([0, 128, 255, 10, 20, 30, 1, 2, 3], dtype=torch.uint8).reshape(1, 3, 1, 3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_hand_computed(dtype: torch.dtype) -> None:
    got = Normalize([100.0, 10.0, 1.0], [50.0, 10.0, 2.0])(IMAGES.to(dtype))
    expected = torch.tensor([-2.0, 0.56, 3.1, 0.0, 1.0, 2.0, 0.0, 0.5, 1.0]).reshape(1, 3, 1, 3)
    torch.testing.assert_close(got, expected)


def test_imagenet_constants_are_those_of_torchvision() -> None:
    from torchvision.transforms.functional import normalize

    images = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    expected = normalize(images / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(Normalize(IMAGENET_MEAN, IMAGENET_STD)(images), expected, rtol=0, atol=1e-5)


def test_mean_zero_std_one_hands_pixels_on_exactly() -> None:
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(Normalize([0.0], [1.0])(images), images.float())


@pytest.mark.parametrize(
    ("module_dtype", "autocast", "expected"),
    [
        (torch.float32, None, torch.float32),
        (torch.float32, torch.bfloat16, torch.bfloat16),
        (torch.bfloat16, None, torch.bfloat16),
        (torch.float16, None, torch.float16),
    ],
)
def test_dtype_follows_autocast_then_the_module(module_dtype, autocast, expected) -> None:  # type: ignore[no-untyped-def]
    module = Normalize([123.0], [2.0]).to(module_dtype)
    with torch.autocast("cpu", dtype=autocast or torch.bfloat16, enabled=autocast is not None):
        assert module(torch.zeros(1, 1, 2, 2, dtype=torch.uint8)).dtype == expected


def test_channels_last_is_kept() -> None:
    images = torch.zeros(2, 3, 4, 5, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    got = Normalize(IMAGENET_MEAN, IMAGENET_STD)(images)
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_constants_stay_out_of_the_state_dict() -> None:
    assert Normalize([1.0], [1.0]).state_dict() == {}


def test_grey_is_opencvs() -> None:
    import cv2

    images = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    expected = cv2.cvtColor(images[0].permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY)
    got = to_grey(images)
    assert got.shape == (1, 1, 8, 8)
    torch.testing.assert_close(got[0, 0], torch.from_numpy(expected).float(), rtol=0, atol=0.51)

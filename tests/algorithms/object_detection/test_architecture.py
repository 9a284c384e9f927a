from __future__ import annotations

from typing import Any

import pytest

from vision.algorithms.object_detection.architecture import (
    architecture_for,
    read_architecture,
    standard_architecture,
)
from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.nn.normalize import IMAGENET_MEAN
from vision.settings.errors import UserError

VGG = standard_architecture("vgg-16", 300, 20).model_dump()
RESNET = standard_architecture("resnet-50", 512, 20).model_dump()
PREACT = standard_architecture("resnet-50", 300, 20, is_mxnet=True).model_dump()


@pytest.mark.parametrize(
    ("plan", "change", "complaint"),
    [
        (VGG, {"surprise": 1}, "surprise"),
        (VGG, {"family": "resnet"}, "does not go with"),
        (VGG, {"num_classes": 0}, "num_classes"),
        (VGG, {"num_classes": 10**9}, "num_classes"),
        (VGG, {"image_shape": 100}, "image_shape"),
        (VGG, {"image_shape": 10**6}, "image_shape"),
        (VGG, {"image_shape": 4096, "num_classes": 2000}, "anchors times classes"),
        (VGG, {"mean": (0.0,)}, "mean"),
        (VGG, {"std": (1.0, 0.0, 1.0)}, "std"),
        (VGG, {"std": (1.0, float("nan"), 1.0)}, "std"),
        (VGG, {"vgg_widths": (64,) * 6}, "five blocks"),
        (VGG, {"vgg_widths": (8192,) * 7}, "weights"),
        (VGG, {"levels": VGG["levels"][:5]}, "levels"),
        (VGG, {"levels": ({"sizes": (0.1,) * 1000, "ratios": (1.0,)},) * 6}, "sizes"),
        (VGG, {"extra_layers": VGG["extra_layers"] * 3, "levels": VGG["levels"] * 3}, "12 items"),
        (VGG, {"extra_layers": (*VGG["extra_layers"][:3], {**VGG["extra_layers"][3], "stride": 9})}, "stride"),
        (RESNET, {"units": (3, 4, 6, 3)}, "units"),
        (RESNET, {"bottleneck": True}, "bottleneck"),
        (PREACT, {"units": (3, 4, 6)}, "units"),
        (PREACT, {"units": (400, 400, 400, 400)}, "units"),
        (PREACT, {"filters": (64, 256, 512, 1024, 2047)}, "multiples of 4"),
        (PREACT, {"filters": (64, 8192, 8192, 8192, 8192)}, "weights"),
        (PREACT, {"bn_eps": -1.0}, "bn_eps"),
    ],
)
def test_an_impossible_or_greedy_plan_is_refused(plan: dict[str, Any], change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read_architecture(plan | change)


def test_an_image_too_small_for_its_maps_is_refused() -> None:
    levels = (*VGG["levels"], VGG["levels"][-1])
    extras = (*VGG["extra_layers"], VGG["extra_layers"][-1])
    with pytest.raises(UserError, match="too small for 7 maps"):
        read_architecture(VGG | {"levels": levels, "extra_layers": extras})


@pytest.mark.parametrize("plan", [VGG, RESNET, PREACT])
def test_the_standard_plans_pass(plan: dict[str, Any]) -> None:
    assert read_architecture(plan).model_dump() == plan


@pytest.mark.parametrize(
    ("base_network", "image_shape", "sides"),
    [
        ("vgg-16", 300, (38, 19, 10, 5, 3, 1)),
        ("vgg-16", 512, (64, 32, 16, 8, 4, 2, 2)),
        ("resnet-50", 300, (19, 10, 5, 3, 2, 1)),
        ("resnet-18", 512, (32, 16, 8, 4, 2, 1)),
    ],
)
def test_sides_of_the_maps(base_network: str, image_shape: int, sides: tuple[int, ...]) -> None:
    assert standard_architecture(base_network, image_shape, 1).map_sides == sides


def test_another_image_shape_keeps_the_weights_and_takes_its_own_steps() -> None:
    smaller = read_architecture(VGG).with_image_shape(512)
    assert smaller.extra_layers == read_architecture(VGG).extra_layers
    assert [level.sizes for level in smaller.levels] == [level["sizes"] for level in VGG["levels"]]
    assert {level.step_unit for level in smaller.levels} == {None}
    back = smaller.with_image_shape(300)
    assert back.model_dump() == VGG


@pytest.mark.parametrize(("pretrained", "mean"), [("1", IMAGENET_MEAN), ("0", (123.0, 117.0, 104.0))])
def test_vgg_pixels_are_normalised_as_its_weights_expect(pretrained: str, mean: tuple[float, ...]) -> None:
    values = {"num_classes": "2", "num_training_samples": "10", "use_pretrained_model": pretrained}
    assert architecture_for(ObjectDetectionHyperparameters.parse(values)).mean == mean

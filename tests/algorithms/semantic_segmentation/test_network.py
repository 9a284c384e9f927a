"""The networks against torchvision's, and what no peer has: any size, a batch of one, PSPNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from vision.algorithms.semantic_segmentation.architecture import Architecture, architecture_for, read_architecture
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.algorithms.semantic_segmentation.network import (
    HEAD_RATE,
    SegmentationNetwork,
    build_network,
    is_head,
    load_pretrained,
)
from vision.algorithms.semantic_segmentation.pyramid_pooling import pool
from vision.settings.errors import UserError
from vision.training.optimizer import parameter_groups

ALGORITHMS = ("fcn", "psp", "deeplab")


def plan(algorithm: str = "fcn", backbone: str = "resnet-18", num_classes: int = 3, **values: Any) -> Architecture:
    return read_architecture({"algorithm": algorithm, "backbone": backbone, "num_classes": num_classes, **values})


def torchvisions(name: str) -> nn.Module:
    """A network of torchvision with random weights and running statistics, in evaluation mode."""
    from torchvision.models import segmentation

    torch.manual_seed(0)
    network: nn.Module = getattr(segmentation, name)(weights=None, weights_backbone=None, aux_loss=True, num_classes=21)
    for key, value in network.state_dict().items():
        if key.endswith("running_mean"):
            value.uniform_(-0.1, 0.1)
        elif key.endswith("running_var"):
            value.uniform_(0.5, 1.0)
    return network.eval()


@pytest.mark.parametrize(
    ("algorithm", "theirs", "parameters"),
    [("fcn", "fcn_resnet50", 35_322_218), ("deeplab", "deeplabv3_resnet50", 42_004_074)],
)
def test_logits_equal_torchvisions(algorithm: str, theirs: str, parameters: int) -> None:
    peer = torchvisions(theirs)
    network = SegmentationNetwork(plan(algorithm, "resnet-50", 21, align_corners=False)).eval()
    network.load_state_dict(peer.state_dict())
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    images = torch.randint(0, 256, (2, 3, 65, 90), dtype=torch.uint8)
    normal = network.normalize(images)
    with torch.no_grad():
        expected = peer(normal)
        logits, auxiliary = network(images)
        # The auxiliary head has dropout, so it is compared outside of training.
        assert auxiliary is None
        assert network.aux_classifier is not None
        auxiliary = network._scaled_up(network.aux_classifier(network.backbone.features(normal)["layer3"]), (65, 90))
    assert expected["out"].abs().max() > 0.1
    assert (logits - expected["out"]).abs().max() < 1e-4 * expected["out"].abs().max()
    assert (auxiliary - expected["aux"]).abs().max() < 1e-4 * expected["aux"].abs().max()


@pytest.mark.parametrize(
    ("algorithm", "backbone", "parameters"),
    [("fcn", "resnet-101", 54_314_346), ("deeplab", "resnet-101", 60_996_202)],
)
def test_sizes_of_the_deeper_networks_are_torchvisions(algorithm: str, backbone: str, parameters: int) -> None:
    with torch.device("meta"):
        network = SegmentationNetwork(plan(algorithm, backbone, 21))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_widths_of_pspnet() -> None:
    """Gluon CV's: each of four branches a quarter of 2048, then 4096 to 512."""
    with torch.device("meta"):
        state = SegmentationNetwork(plan("psp", "resnet-50", 21)).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items() if key.startswith("classifier.")}
    assert [shapes[f"classifier.0.branches.{index}.1.weight"] for index in range(4)] == [(512, 2048, 1, 1)] * 4
    assert shapes["classifier.1.weight"] == (512, 4096, 3, 3)
    assert shapes["classifier.4.weight"] == (21, 512, 1, 1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size_px", [(1, 1), (7, 33), (64, 41)])
def test_any_size_of_image_in_training_and_outside(algorithm: str, size_px: tuple[int, int]) -> None:
    network = build_network(plan(algorithm))
    images = torch.zeros(2, 3, *size_px, dtype=torch.uint8)
    logits, auxiliary = network(images) if min(size_px) > 1 else network.eval()(images)
    assert logits.shape == (2, 3, *size_px)
    assert logits.dtype == torch.float32
    assert auxiliary is None or auxiliary.shape == logits.shape
    assert network.eval()(images).auxiliary is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_trains_with_a_batch_of_one_image(algorithm: str) -> None:
    network = build_network(plan(algorithm, auxiliary_head=False))
    logits, auxiliary = network(torch.randint(0, 256, (1, 3, 48, 64), dtype=torch.uint8))
    logits.square().mean().backward()
    assert auxiliary is None
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


@pytest.mark.parametrize("cells", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(1, 1), (6, 12), (4, 5), (31, 30)])
def test_pooling_is_torchs(cells: int, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(pool(x, cells), nn.functional.adaptive_avg_pool2d(x, cells))


def test_decoders_learn_at_ten_times_the_rate() -> None:
    network = build_network(plan())
    groups = parameter_groups(network, 0.01, 0.5)
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    for name, parameter in network.named_parameters():
        assert rates[id(parameter)] == 0.01 * (1.0 if name.startswith("backbone.") else HEAD_RATE)
    assert {group["weight_decay"] for group in groups} == {0.5}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_heads_are_what_depends_on_the_number_of_classes(algorithm: str) -> None:
    with torch.device("meta"):
        few, many = (SegmentationNetwork(plan(algorithm, num_classes=count)).state_dict() for count in (3, 5))
    differing = {key for key in few if few[key].shape != many[key].shape}
    assert differing == {key for key in few if is_head(key, plan(algorithm))}


def coco_file(folder: Path, name: str) -> dict[str, torch.Tensor]:
    state = torchvisions(name).state_dict()
    torch.save(state, folder / f"{name}.pth")
    return state


@pytest.mark.parametrize(
    ("algorithm", "num_classes", "untrained"),
    [
        ("fcn", 21, ()),
        ("fcn", 3, ("classifier.4.", "aux_classifier.4.")),
        ("psp", 21, ("classifier.",)),
    ],
)
def test_weights_of_coco_go_where_they_fit(
    algorithm: str, num_classes: int, untrained: tuple[str, ...], tmp_path: Path
) -> None:
    published = coco_file(tmp_path, "fcn_resnet50" if algorithm == "fcn" else "deeplabv3_resnet50")
    network = build_network(plan(algorithm, "resnet-50", num_classes, pretrained_on="coco"))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    sentence = load_pretrained(network, tmp_path)
    assert sentence.startswith("COCO weights for ")
    assert ("Untrained" in sentence) == bool(untrained)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key] if key.startswith(untrained) else published[key]), key


def test_weights_of_coco_without_an_auxiliary_head(tmp_path: Path) -> None:
    published = coco_file(tmp_path, "fcn_resnet50")
    network = build_network(plan("fcn", "resnet-50", 21, pretrained_on="coco", auxiliary_head=False))
    load_pretrained(network, tmp_path)
    assert all(torch.equal(value, published[key]) for key, value in network.state_dict().items())


def test_weights_of_imagenet_go_into_the_backbone(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    published = resnet18().state_dict()
    torch.save(published, tmp_path / "resnet18.pth")
    network = build_network(plan())
    assert load_pretrained(network, tmp_path).startswith("ImageNet weights for resnet18")
    assert all(torch.equal(value, published[key]) for key, value in network.backbone.state_dict().items())


@pytest.mark.parametrize(
    "change",
    [{"num_classes": 1}, {"num_classes": 255}, {"backbone": "resnet-152"}, {"algorithm": "unet"}, {"std": (0, 1, 1)}],
)
def test_a_damaged_plan_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="damaged"):
        read_architecture({**plan().model_dump(), **change})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"backbone": "resnet-18", "aux_loss": "False"}, plan(auxiliary_head=False)),
        (
            {"algorithm": "psp", "pretrained_on": "coco"},
            plan("psp", "resnet-50", align_corners=False, pretrained_on="coco"),
        ),
        (
            {"algorithm": "deeplab", "pretrained_on": "coco", "use_pretrained_model": "False"},
            plan("deeplab", "resnet-50"),
        ),
    ],
)
def test_hyperparameters_decide_the_plan(given: dict[str, str], expected: Architecture) -> None:
    table = SemanticSegmentationHyperparameters.parse({"num_classes": "3", "num_training_samples": "9", **given})
    assert architecture_for(table) == expected

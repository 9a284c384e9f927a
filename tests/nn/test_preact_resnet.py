from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.nn.mxnet_names import mxnet_names
from vision.nn.preact_resnet import PreactPlan, PreactResNet, PreactResNetTrunk, plan_for

Load = Callable[[nn.Module, Path], dict[str, Tensor]]


@pytest.fixture
def folder(mxnet_folder: Path) -> Path:
    return mxnet_folder / "model_resnet20"


@pytest.fixture
def network(folder: Path, load_mxnet: Load) -> PreactResNet:
    net = PreactResNet(plan_for(20, "3x3"), num_classes=5)
    load_mxnet(net, folder / "image-classification-0000.params")
    return net


@pytest.fixture
def images(folder: Path) -> Tensor:
    return torch.from_numpy(np.load(folder / "input.npy"))


def test_logits_equal_mxnets(network: PreactResNet, images: Tensor, folder: Path) -> None:
    logits = network.eval()(images)
    expected = torch.from_numpy(np.load(folder / "logits.npy"))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)


def test_one_training_step_equals_mxnets(network: PreactResNet, images: Tensor, folder: Path) -> None:
    step = {key: torch.from_numpy(value) for key, value in np.load(folder / "train_step.npz").items()}
    before = {key: value.clone() for key, value in network.state_dict().items()}
    images.requires_grad_()

    logits = network.train()(images)
    # MXNet's SoftmaxOutput without normalisation: the gradient is summed over the batch.
    F.cross_entropy(logits, step["label"].long(), reduction="sum").backward()

    torch.testing.assert_close(logits.softmax(1), step["output_train_mode"], rtol=0, atol=1e-5)
    names = mxnet_names(network)
    gradients = {names[key]: p.grad for key, p in network.named_parameters()} | {"data": images.grad}
    stored = {key.removeprefix("grad:") for key in step if key.startswith("grad:")}
    assert stored - set(gradients) == {"bn_data_gamma"}
    assert torch.equal(step["grad:bn_data_gamma"], torch.zeros(3))
    for name in stored - {"bn_data_gamma"}:
        torch.testing.assert_close(gradients[name], step[f"grad:{name}"], rtol=1e-3, atol=1e-4)

    pixels = {"bn_data": 28 * 28, "stage1": 28 * 28, "stage2": 14 * 14, "stage3": 7 * 7, "bn1": 7 * 7}
    for key, after in network.state_dict().items():
        if key.endswith("running_mean"):
            torch.testing.assert_close(after, step[f"aux_after:{names[key]}"], rtol=1e-4, atol=1e-4)
        if key.endswith("running_var"):
            # The first normalisation of a stage works on the maps of the stage before.
            place = key.split(".")[0].split("_unit")[0]
            n = 2 * pixels[place]
            if "unit1.bn1" in key and place in ("stage2", "stage3"):
                n *= 4
            biased = 0.9 * before[key] + (after - 0.9 * before[key]) * (n - 1) / n
            torch.testing.assert_close(biased, step[f"aux_after:{names[key]}"], rtol=1e-4, atol=1e-4)


def test_stored_gamma_of_the_data_is_ignored(network: PreactResNet) -> None:
    assert torch.equal(network.bn_data.weight, torch.ones(3))
    assert [key for key, _ in network.bn_data.named_parameters()] == ["bias"]
    assert "bn_data.weight" not in network.state_dict()


def test_residual_sums_equal_mxnets(mxnet_folder: Path, load_mxnet: Load, ssd_images: Callable[[str], Tensor]) -> None:
    """The heads of MXNet's narrow SSD on ``_plus12`` and ``_plus15`` give what MXNet's gave."""
    folder = mxnet_folder / "model_ssd300_resnet50_narrow"
    plan = PreactPlan((3, 4, 6, 3), (8, 16, 32, 64, 96), bottleneck=True, stem="7x7")
    trunk = PreactResNetTrunk(plan).eval()
    arrays = load_mxnet(trunk, folder / "ssd_resnet50_narrow_300-0000.params")
    expected = torch.from_numpy(np.load(folder / "expected_inference.npz")["loc_pred"])

    sums = trunk.features(ssd_images("resnet50"))
    parts = []
    for stage in (3, 4):
        name = trunk.plus_name(stage) + "_loc_pred_conv"
        loc = F.conv2d(sums[f"stage{stage}"], arrays[name + "_weight"], arrays[name + "_bias"], padding=1)
        parts.append(loc.permute(0, 2, 3, 1).flatten(1))
    got = torch.cat(parts, 1)
    torch.testing.assert_close(got, expected[:, : got.shape[1]], rtol=0, atol=2e-3)
    assert [trunk.plus_name(stage) for stage in (1, 2, 3, 4)] == ["_plus2", "_plus6", "_plus12", "_plus15"]
    assert {name: value.shape[1] for name, value in sums.items()} == trunk.channels


@pytest.mark.parametrize(
    ("depth", "classes", "parameters"),
    [
        # mxnet-facts 4.2; MXNet counts the three unused gammas of bn_data too
        (18, 1000, 11_691_950),
        (34, 1000, 21_800_110),
        (50, 1000, 25_549_486),
        (101, 1000, 44_541_614),
        (152, 1000, 60_185_262),
        (200, 1000, 64_666_286),
        (269, 1000, 102_065_838),
        (20, 10, 272_544),
        (32, 10, 466_976),
        (44, 10, 661_408),
        (56, 10, 855_840),
        (110, 10, 1_730_784),
    ],
)
def test_number_of_parameters(depth: int, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        network = PreactResNet(plan_for(depth, "3x3" if classes == 10 else "7x7"), classes)
    assert sum(p.numel() for p in network.parameters()) + 3 == parameters


@pytest.mark.parametrize("depth", [18, 50])
def test_names_and_shapes_are_mxnets(depth: int, mxnet_folder: Path) -> None:
    table = (mxnet_folder / "full_symbols" / f"resnet{depth}_224_1000cls-params.tsv").read_text().splitlines()
    expected = {row.split("\t")[1]: row.split("\t")[2] for row in table[1:]}
    with torch.device("meta"):
        network = PreactResNet(plan_for(depth, "7x7"), 1000)
    state = network.state_dict()
    got = {name: "x".join(map(str, state[key].shape)) for key, name in mxnet_names(network).items()}
    assert got | {"bn_data_gamma": "3"} == expected


@pytest.mark.parametrize(("stem", "channels", "cells"), [("3x3", 1, 8), ("7x7", 3, 2)])
def test_stem_and_input_channels(stem, channels: int, cells: int) -> None:  # type: ignore[no-untyped-def]
    network = PreactResNet(plan_for(20, stem, channels), 4)
    images = torch.rand(2, channels, 32, 32) * 255
    assert network.features(images)["stage3"].shape == (2, 64, cells, cells)
    assert network(images).shape == (2, 4)

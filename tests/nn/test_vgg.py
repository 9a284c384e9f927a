from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.nn.mxnet_names import mxnet_names
from vision.nn.vgg import L2Normalization, VGG16Reduced, VGGWidths, from_torchvision


@pytest.fixture(scope="module")
def torchvision_state() -> dict[str, Tensor]:
    """A narrow vgg16 with torchvision's names: 8 channels into fc6, fully connected layers 64 wide."""
    widths = iter([2, 2, 3, 3, 4, 4, 4, 5, 5, 5, 8, 8, 8])
    state, before = {}, 3
    for index in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28):
        width = next(widths)
        state[f"features.{index}.weight"] = torch.randn(width, before, 3, 3)
        state[f"features.{index}.bias"] = torch.randn(width)
        before = width
    state["classifier.0.weight"] = torch.arange(64 * 8 * 49, dtype=torch.float32).reshape(64, 8 * 49)
    state["classifier.0.bias"] = torch.arange(64.0)
    state["classifier.3.weight"] = torch.arange(64.0 * 64).reshape(64, 64)
    state["classifier.3.bias"] = torch.arange(64.0)
    state["classifier.6.weight"] = torch.randn(10, 64)
    return state


def test_heads_on_the_features_equal_mxnets(
    mxnet_folder: Path,
    load_mxnet: Callable[[nn.Module, Path], dict[str, Tensor]],
    ssd_images: Callable[[str], Tensor],
) -> None:
    folder = mxnet_folder / "model_ssd300_vgg16_narrow"
    network = VGG16Reduced(VGGWidths(blocks=(8, 12, 16, 24, 24), fc6=32, fc7=32)).eval()
    arrays = load_mxnet(network, folder / "ssd_vgg16_narrow_300-0000.params")
    normalization = L2Normalization(24)
    normalization.scale.data = arrays["relu4_3_scale"]
    expected = torch.from_numpy(np.load(folder / "expected_inference.npz")["loc_pred"])

    maps = network.features(ssd_images("vgg16"))
    inputs = {"relu4_3": normalization(maps["relu4_3"]), "relu7": maps["relu7"]}
    parts = []
    for name, value in inputs.items():
        weight, bias = (arrays[f"{name}_loc_pred_conv_{kind}"] for kind in ("weight", "bias"))
        parts.append(F.conv2d(value, weight, bias, padding=1).permute(0, 2, 3, 1).flatten(1))
    got = torch.cat(parts, 1)

    assert maps["relu4_3"].shape == (2, 24, 38, 38)
    assert maps["relu7"].shape == (2, 32, 19, 19)
    torch.testing.assert_close(got, expected[:, : got.shape[1]], rtol=0, atol=1e-3)


def test_names_and_shapes_are_mxnets(mxnet_folder: Path) -> None:
    rows = (mxnet_folder / "full_symbols" / "ssd_vgg16_300_20cls-params.tsv").read_text().splitlines()[1:]
    table = {row.split("\t")[1]: row.split("\t")[2] for row in rows}
    expected = {n: s for n, s in table.items() if n.startswith(("conv", "fc"))}
    with torch.device("meta"):
        network = VGG16Reduced()
    state = network.state_dict()
    assert {n: "x".join(map(str, state[k].shape)) for k, n in mxnet_names(network).items()} == expected
    assert network.channels == {"relu4_3": 512, "relu7": 1024}


def test_conversion_sub_samples_the_fully_connected_layers(torchvision_state: dict[str, Tensor]) -> None:
    state = from_torchvision(torchvision_state)
    network = VGG16Reduced(VGGWidths(blocks=(2, 3, 4, 5, 8), fc6=16, fc7=16))
    network.load_state_dict(state)

    fc6 = state["fc6.weight"]
    # Output 2 of ours is output 8 of theirs; row 1, column 2 of ours is row 3, column 6 of their 7x7 window.
    assert fc6[2, 5, 1, 2] == torchvision_state["classifier.0.weight"][8, 5 * 49 + 3 * 7 + 6]
    assert fc6.shape == (16, 8, 3, 3)
    assert state["fc6.bias"].tolist() == list(range(0, 64, 4))
    assert state["fc7.weight"][3, 2, 0, 0] == torchvision_state["classifier.3.weight"][12, 8]
    assert state["fc7.bias"].tolist() == list(range(0, 64, 4))


def test_converted_convolutions_compute_what_torchvision_computes() -> None:
    from torchvision.models import vgg16

    theirs = vgg16(num_classes=2).eval()
    ours = VGG16Reduced().eval()
    ours.load_state_dict(from_torchvision(theirs.state_dict()))
    images = torch.randn(1, 3, 64, 64)
    # features[:23] ends with the ReLU after the third convolution of block 4; 64 px need no rounding up.
    assert torch.equal(ours.features(images)["relu4_3"], theirs.features[:23](images))


def test_hand_computed() -> None:
    layer = L2Normalization(2)
    layer.scale.data[0, 1] = 10.0
    x = torch.tensor([3.0, 4.0, 0.0, 0.0, 6.0, 8.0]).reshape(1, 3, 2, 1).permute(0, 2, 1, 3)
    # Positions (3,4), (0,0), (6,8): unit vectors (.6,.8), (0,0), (.6,.8), times 20 and 10.
    got = layer(x)[0, :, :, 0].T
    torch.testing.assert_close(got, torch.tensor([[12.0, 8.0], [0.0, 0.0], [12.0, 8.0]]))


def test_half_precision_neither_overflows_nor_changes_dtype() -> None:
    x = torch.full((1, 512, 1, 1), 300.0, dtype=torch.float16)
    got = L2Normalization(512)(x)
    assert got.dtype == torch.float16
    torch.testing.assert_close(got.float(), torch.full((1, 512, 1, 1), 20 / 512**0.5), rtol=1e-3, atol=0)


def test_scale_learns_and_a_zero_position_has_a_finite_gradient() -> None:
    layer = L2Normalization(3)
    x = torch.zeros(1, 3, 2, 2, requires_grad=True)
    layer(x).sum().backward()
    assert layer.scale.grad is not None
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()

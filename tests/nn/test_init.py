from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from vision.nn.init import initialize, xavier_gaussian_in, xavier_uniform_average
from vision.nn.preact_resnet import FixedGammaBatchNorm2d
from vision.nn.vgg import L2Normalization

# fan_in = 64*3*3 = 576 and 512; fan_out = 128*3*3 = 1152 and 256
WEIGHTS = {"conv": (128, 64, 3, 3), "fc": (256, 512)}


@pytest.mark.parametrize(("layer", "std"), [("conv", math.sqrt(2 / 576)), ("fc", math.sqrt(2 / 512))])
def test_gaussian_rule(layer: str, std: float) -> None:
    torch.manual_seed(0)
    weight = xavier_gaussian_in(torch.empty(WEIGHTS[layer]))
    # Standard error of a standard deviation is std / sqrt(2n); five of them, n > 70000.
    assert weight.std().item() == pytest.approx(std, rel=5 / math.sqrt(2 * weight.numel()))
    assert abs(weight.mean().item()) < 5 * std / math.sqrt(weight.numel())
    # A normal distribution has kurtosis 3, a uniform one 1.8.
    assert ((weight / weight.std()) ** 4).mean().item() == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(("layer", "bound"), [("conv", math.sqrt(6 / 1728)), ("fc", math.sqrt(6 / 768))])
def test_uniform_rule(layer: str, bound: float) -> None:
    torch.manual_seed(0)
    weight = xavier_uniform_average(torch.empty(WEIGHTS[layer]))
    assert weight.abs().max().item() <= bound
    assert weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_initialise_starts_every_layer_anew() -> None:
    normalization, batch_norm, fixed = L2Normalization(4), nn.BatchNorm2d(4), FixedGammaBatchNorm2d(4, 1e-5)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), batch_norm, fixed, normalization, nn.Linear(4, 2))
    for tensor in network.state_dict().values():
        tensor.fill_(7)
    initialize(network)

    state = network.state_dict()
    assert {k: v.unique().tolist() for k, v in state.items() if k not in ("0.weight", "4.weight")} == {
        "0.bias": [0],
        "1.weight": [1],
        "1.bias": [0],
        "1.running_mean": [0],
        "1.running_var": [1],
        "1.num_batches_tracked": [0],
        "2.bias": [0],
        "2.running_mean": [0],
        "2.running_var": [1],
        "2.num_batches_tracked": [0],
        "3.scale": [7],
        "4.bias": [0],
    }
    assert state["0.weight"].unique().numel() == 108
    assert state["4.weight"].unique().numel() == 8


def test_same_seed_same_weights() -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        layer = nn.Linear(5, 5)
        initialize(layer)
        results.append(layer.weight.detach())
    assert torch.equal(*results)

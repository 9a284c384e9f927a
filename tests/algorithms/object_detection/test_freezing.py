from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.algorithms.object_detection.architecture import standard_architecture
from vision.algorithms.object_detection.network import SSD
from vision.algorithms.object_detection.task import freeze
from vision.settings.errors import SettingsError

# pattern -> MXNet's names of what it freezes, or their number. The full names are those of MXNet's symbol files.
CASES = [
    ("vgg-16", False, "^(conv1_|conv2_).*", {"conv1_1", "conv1_2", "conv2_1", "conv2_2"}),
    ("vgg-16", False, "fc[67]_weight", {"fc6", "fc7"}),
    # re.match: from the beginning only.
    ("vgg-16", False, "onv1_|conv1_1_b", {"conv1_1"}),
    ("vgg-16", False, "base.conv3_1.bias", {"conv3_1"}),
    ("resnet-50", False, "^(conv0|bn0|stage1_unit1_).*", {"conv1", "bn1", "layer1.0"}),
    ("resnet-50", False, "stage2_unit4_conv3_weight", {"layer2.3.conv3"}),
    ("resnet-50", False, "stage3_unit1_sc", {"layer3.0.downsample"}),
    ("resnet-18", False, "layer1", {"layer1"}),
    ("resnet-18", False, ".*_gamma", {"bn", "downsample.1"}),
    ("resnet-50", True, "^stage1_", {"stage1_unit1", "stage1_unit2", "stage1_unit3"}),
]


@pytest.fixture(scope="module")
def networks() -> dict[tuple[str, bool], SSD]:
    with torch.device("meta"):
        plans = {(base, is_mxnet) for base, is_mxnet, *_ in CASES}
        return {key: SSD(standard_architecture(key[0], 300, 2, is_mxnet=key[1])) for key in plans}


@pytest.mark.parametrize(("base", "is_mxnet", "pattern", "modules"), CASES)
def test_patterns(
    networks: dict[tuple[str, bool], SSD], base: str, is_mxnet: bool, pattern: str, modules: set[str]
) -> None:
    network = networks[base, is_mxnet]
    network.requires_grad_(True)
    freeze(network, pattern)
    frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
    assert frozen
    assert all(name.startswith("base.") for name in frozen)
    found = {one for one in modules for name in frozen if one in name}
    assert found == modules
    assert all(any(one in name for one in modules) for name in frozen)


def test_everything_of_the_base_and_nothing_else(networks: dict[tuple[str, bool], SSD]) -> None:
    network = networks["vgg-16", False]
    network.requires_grad_(True)
    freeze(network, ".*")
    trained = {name.partition(".")[0] for name, value in network.named_parameters() if value.requires_grad}
    assert trained == {"relu4_3_norm", "extras", "class_heads", "box_heads"}


@pytest.mark.parametrize("pattern", ["conv9", "class_heads", "1_1", "relu4_3_cls_pred_conv_weight"])
def test_no_match_names_candidates(networks: dict[tuple[str, bool], SSD], pattern: str) -> None:
    network = networks["vgg-16", False]
    with pytest.raises(SettingsError, match=r"matches the beginning of no parameter of vgg-16; .* conv1_1_weight, "):
        freeze(network, pattern)


def test_running_averages_go_on() -> None:
    plan = standard_architecture("resnet-18", 300, 1)
    network = SSD(plan)
    freeze(network, "^layer1")
    bn = network.base.layer1[0].bn1
    assert isinstance(bn, nn.BatchNorm2d)
    before = bn.running_mean.clone()
    network.train()
    network.base.features(torch.randn(1, 3, 64, 64))
    assert not torch.equal(before, bn.running_mean)

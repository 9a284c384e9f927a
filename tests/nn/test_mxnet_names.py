from __future__ import annotations

from torch import nn

from vision.nn.mxnet_names import mxnet_names
from vision.nn.preact_resnet import FixedGammaBatchNorm2d
from vision.nn.vgg import L2Normalization


def test_every_kind_of_layer() -> None:
    unit = nn.ModuleDict({"conv1": nn.Conv2d(3, 4, 1, bias=False), "bn1": nn.BatchNorm2d(4)})
    network = nn.ModuleDict(
        {
            "bn_data": FixedGammaBatchNorm2d(3, 2e-5),
            "stage1_unit1": unit,
            "relu4_3": L2Normalization(4),
            "fc1": nn.Linear(4, 2),
        }
    )
    assert mxnet_names(network) == {
        "bn_data.bias": "bn_data_beta",
        "bn_data.running_mean": "bn_data_moving_mean",
        "bn_data.running_var": "bn_data_moving_var",
        "stage1_unit1.conv1.weight": "stage1_unit1_conv1_weight",
        "stage1_unit1.bn1.weight": "stage1_unit1_bn1_gamma",
        "stage1_unit1.bn1.bias": "stage1_unit1_bn1_beta",
        "stage1_unit1.bn1.running_mean": "stage1_unit1_bn1_moving_mean",
        "stage1_unit1.bn1.running_var": "stage1_unit1_bn1_moving_var",
        "relu4_3.scale": "relu4_3_scale",
        "fc1.weight": "fc1_weight",
        "fc1.bias": "fc1_bias",
    }


def test_a_layer_by_itself_has_bare_names() -> None:
    assert mxnet_names(nn.Linear(2, 2)) == {"weight": "weight", "bias": "bias"}

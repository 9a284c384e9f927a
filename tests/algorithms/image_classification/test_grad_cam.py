from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vision.algorithms.image_classification.algorithm import ALGORITHM
from vision.algorithms.image_classification.grad_cam import grad_cam
from vision.algorithms.image_classification.network import ImageClassifier

# Two channels of 2x2 cells, and a head of three classes over their means.
FEATURES = torch.tensor([[[[4.0, 0.0], [0.0, 0.0]], [[0.0, 2.0], [1.0, 0.0]]]])
HEAD = torch.tensor([[1.0, 0.0], [0.5, 2.0], [-1.0, -1.0]])


class _Pooled(nn.Module):
    HEAD = "fc"

    def __init__(self) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2, 3)
        self.fc.weight.data, self.fc.bias.data = HEAD.clone(), torch.zeros(3)


class PoolingOnly(nn.Module):
    """A network whose last feature map are the images themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = _Pooled()

    def forward(self, images: Tensor) -> Tensor:
        return self.resnet.fc(self.resnet.avgpool(images).flatten(1))


@pytest.mark.parametrize(
    ("class_id", "heat"),
    [
        (0, [[1.0, 0.0], [0.0, 0.0]]),
        # 0.5 * 4 = 2, 2 * 2 = 4, 2 * 1 = 2, over the largest.
        (1, [[0.5, 1.0], [0.5, 0.0]]),
        # Everything speaks against it.
        (2, [[0.0, 0.0], [0.0, 0.0]]),
    ],
)
def test_hand_computed(class_id: int, heat: list[list[float]]) -> None:
    network: Any = PoolingOnly()
    found, ids = grad_cam(network, FEATURES, torch.tensor([class_id]))
    assert found.tolist() == [heat]
    assert ids.tolist() == [class_id]
    # Means 1 and 0.75: logits 1, 2 and -1.75.
    found, ids = grad_cam(network, FEATURES)
    assert ids.tolist() == [1]


def cam(network: ImageClassifier, images: Tensor, class_ids: Tensor) -> Tensor:
    """Zhou et al. 2016, equation 2: the feature maps weighted by the class's row of the last layer."""
    resnet = network.resnet
    *_, features = resnet.features(network.normalize(images)).values()
    if network.architecture.family == "preact_resnet":
        features = torch.relu(resnet.bn1(features))
    weights = getattr(resnet, resnet.HEAD).weight[class_ids]
    maps = torch.einsum("nc,nchw->nhw", weights, features).relu()
    return maps / maps.amax(dim=(1, 2), keepdim=True)


@pytest.mark.parametrize(("depth", "family", "cells"), [(20, "preact_resnet", 8), (18, "resnet", 4)])
def test_is_cam_for_both_families(depth: int, family: str, cells: int) -> None:
    values = {"num_classes": 5, "num_training_samples": 8, "num_layers": depth, "image_shape": "3,32,32"}
    torch.manual_seed(0)
    network = ALGORITHM.build_network(ALGORITHM.architecture(ALGORITHM.facts.hyperparameters.parse(values))).eval()
    assert network.architecture.family == family
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    class_ids = torch.tensor([4, 0, 2])
    found, _ = grad_cam(network, images, class_ids)
    assert found.shape == (3, cells, cells)
    with torch.no_grad():
        expected = cam(network, images, class_ids)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)
    # Nothing stays behind: neither gradients nor hooks.
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.resnet.avgpool._forward_pre_hooks

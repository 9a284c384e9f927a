from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vision.algorithms.image_classification.algorithm import ALGORITHM
from vision.algorithms.image_classification.grad_cam import TITLE, grad_cam, seen_window
from vision.algorithms.image_classification.network import ImageClassifier
from vision.metrics.classification import MISTAKES
from vision.metrics.evaluation import Evaluation, Example, Gallery


def hyperparameters(shape: str, **more: Any) -> Any:
    values = {"num_classes": 3, "num_training_samples": 8, "num_layers": 20, "image_shape": shape}
    return ALGORITHM.facts.hyperparameters.parse({**values, **more})


@pytest.mark.parametrize(
    ("shape", "resize", "size", "window"),
    [
        # 100 x 200 becomes 50 x 100, of which rows 5 to 45 and columns 30 to 70 are kept.
        ("3,40,40", 50, (100, 200), (0.3, 0.1, 0.7, 0.9)),
        ("3,40,40", None, (80, 40), (0.0, 0.25, 1.0, 0.75)),
        # Enlarged until it covers the crop.
        ("3,40,40", None, (20, 10), (0.0, 0.25, 1.0, 0.75)),
        ("1,40,80", None, (40, 80), (0.0, 0.0, 1.0, 1.0)),
    ],
)
def test_the_window_is_what_validation_sees(
    shape: str, resize: int | None, size: tuple[int, int], window: tuple[float, ...]
) -> None:
    transform = ALGORITHM.transform(hyperparameters(shape, **({"resize": resize} if resize else {})), "validation")
    assert seen_window(transform, *size) == pytest.approx(window)
    # Black outside of it: the network sees white alone.
    image = np.zeros((*size, 3), np.uint8)
    left, top, right, bottom = (round(edge * side) for edge, side in zip(window, size[::-1] * 2, strict=True))
    image[top:bottom, left:right] = 255
    seen, _ = transform(image, None, None, "image")
    inner = seen[2:-2, 2:-2]
    assert inner.min() == 255


def test_the_worst_mistakes_get_heat_and_what_cannot_be_read_is_left_out() -> None:
    hp = hyperparameters("3,32,32")
    torch.manual_seed(0)
    network = ALGORITHM.build_network(ALGORITHM.architecture(hp)).eval()
    rng = np.random.default_rng(0)
    images = {index: rng.integers(0, 256, (32, 64, 3), np.uint8) for index in range(40) if index != 3}
    mistakes = Gallery(MISTAKES, tuple(Example(i, f"{i}.jpg", "truth a / predicted b 0.9") for i in range(40)))
    others = Gallery("Misses", (Example(1, "1.jpg", "missed a"),))
    evaluation = Evaluation(40, {}, ("a", "b", "c"), galleries=(mistakes, others))
    explained = ALGORITHM.explain(evaluation, network, hp, images.get)
    assert [gallery.title for gallery in explained.galleries] == [MISTAKES, TITLE, "Misses"]
    shown = explained.galleries[1].examples
    assert [example.index for example in shown] == [i for i in range(16) if i != 3]
    for example in shown:
        assert example.heat is not None
        assert example.heat.cells.shape == (8, 8)
        assert example.heat.window_xyxy_unit == (0.25, 0.0, 0.75, 1.0)
        assert example.heat.cells.max() in (0.0, 1.0)
    assert "Grad-CAM" in explained.notes[-1]


def test_without_mistakes_there_is_nothing_to_explain() -> None:
    evaluation = Evaluation(4, {}, ("a", "b", "c"), galleries=(Gallery(MISTAKES, ()),))
    assert ALGORITHM.explain(evaluation, None, hyperparameters("3,32,32"), {}.get) is evaluation


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

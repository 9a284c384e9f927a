from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vision.algorithms.image_classification.algorithm import ALGORITHM
from vision.algorithms.image_classification.explanation import TITLE, seen_window
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

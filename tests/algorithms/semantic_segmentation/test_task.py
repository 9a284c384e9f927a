from __future__ import annotations

import numpy as np
import pytest

from vision.algorithms.semantic_segmentation.algorithm import ALGORITHM
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.settings.errors import UserError
from vision.settings.run import RunSettings
from vision.training.task import TrainingFacts


@pytest.mark.parametrize(
    ("text", "counts", "expected"),
    [
        ("", [4, 2, 1], None),
        ("0.5,1,2", [4, 2, 1], [0.5, 1, 2]),
        ("balanced", [4, 2, 1], [0.5, 1, 2]),
        ("balanced", [4, 0, 2], [0.75, 0, 1.5]),
        ("balanced", None, None),
    ],
)
def test_class_weights(text: str, counts: list[float] | None, expected: list[float] | None) -> None:
    facts = TrainingFacts(("a", "b", "c"), class_counts=None if counts is None else np.array(counts, np.float64))
    weights = task_weights(text, facts)
    assert weights == expected


def test_class_weights_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(UserError, match=r"class_weights has 2 numbers, but hp\.num_classes is 3"):
        task_weights("1,2", TrainingFacts(("a", "b", "c")))


def task_weights(text: str, facts: TrainingFacts) -> list[float] | None:
    """Return the weights with which a task trains."""
    given = {"num_classes": 3, "num_training_samples": 1, "backbone": "resnet-18", "class_weights": text}
    hyperparameters = SemanticSegmentationHyperparameters.parse(given)
    network = ALGORITHM.build_network(ALGORITHM.architecture(hyperparameters))
    weights = ALGORITHM.task(network, hyperparameters, RunSettings.parse({}), facts).class_weights
    return None if weights is None else weights.tolist()

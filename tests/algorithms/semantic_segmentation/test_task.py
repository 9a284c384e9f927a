from __future__ import annotations

import numpy as np

from vision.algorithms.semantic_segmentation.algorithm import ALGORITHM
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.settings.run import RunSettings
from vision.training.task import TrainingFacts


def test_the_classes_of_a_run_are_balanced_by_its_counts() -> None:
    given = {"num_classes": 3, "num_training_samples": 1, "backbone": "resnet-18", "class_weights": "balanced"}
    hyperparameters = SemanticSegmentationHyperparameters.parse(given)
    network = ALGORITHM.build_network(ALGORITHM.architecture(hyperparameters))
    facts = TrainingFacts(("a", "b", "c"), class_counts=np.array([4.0, 2.0, 1.0]))
    weights = ALGORITHM.task(network, hyperparameters, RunSettings.parse({}), facts).class_weights
    assert weights is not None
    assert weights.tolist() == [0.5, 1, 2]

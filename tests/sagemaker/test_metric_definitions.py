from __future__ import annotations

import re

import pytest

from vision import algorithms
from vision.sagemaker.metric_definitions import METRIC_DEFINITIONS

# Lines that SageMaker's own containers print (contract 1.4 and 2.5), and what the platform must read from them.
LINES = [
    ("image_classification", "train:accuracy", "Epoch[0] Train-accuracy=0.150391", 0.150391),
    ("image_classification", "validation:accuracy", "Epoch[12] Validation-accuracy=0.253906", 0.253906),
    (
        "image_classification",
        "train:throughput",
        "Epoch[0] Batch [20]\tSpeed: 222.12 samples/sec\taccuracy=0.012649",
        222.12,
    ),
    ("object_detection", "train:progress", "#progress_metric: host=algo-1, completed 3 % of epochs", 3),
    (
        "object_detection",
        "train:cross_entropy",
        "#quality_metric: host=algo-1, epoch=0, batch=20 train cross_entropy <loss>=0.8121",
        0.8121,
    ),
    (
        "object_detection",
        "train:smooth_l1",
        "#quality_metric: host=algo-1, epoch=0, batch=20 train smooth_l1 <loss>=0.4033",
        0.4033,
    ),
    (
        "object_detection",
        "train:throughput",
        "#throughput_metric: host=algo-1, train throughput=115.2 records/second",
        115.2,
    ),
    (
        "object_detection",
        "validation:mAP",
        "#quality_metric: host=algo-1, epoch=0, validation mAP <score>=(1.6157e-05)",
        1.6157e-05,
    ),
]


@pytest.mark.parametrize(("algorithm", "name", "line", "value"), LINES)
def test_a_line_gives_its_value_to_one_metric(algorithm: str, name: str, line: str, value: float) -> None:
    matches = {
        metric: float(found[1])
        for metric, regex in METRIC_DEFINITIONS[algorithm]
        if (found := re.search(regex, f"[11/21/2026 21:24:43 INFO 28062] {line}"))
    }
    assert matches == {name: value}


@pytest.mark.parametrize("algorithm", algorithms.names())
def test_the_platforms_limits_and_the_objective(algorithm: str) -> None:
    definitions = dict(METRIC_DEFINITIONS[algorithm])
    assert algorithms.facts_of(algorithm).objective.sagemaker in definitions
    assert all(len(name) <= 255 and len(regex) <= 500 for name, regex in definitions.items())
    assert len(definitions) == len(METRIC_DEFINITIONS[algorithm]) <= 20

from __future__ import annotations

import re

import pytest

from vision import algorithms

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
        definition.name: float(found[1])
        for definition in algorithms.facts_of(algorithm).metric_definitions
        if (found := re.search(definition.regex, f"[11/21/2026 21:24:43 INFO 28062] {line}"))
    }
    assert matches == {name: value}


@pytest.mark.parametrize("algorithm", algorithms.names())
def test_the_platforms_limits_and_the_objective(algorithm: str) -> None:
    definitions = algorithms.facts_of(algorithm).metric_definitions
    names = [one.name for one in definitions]
    assert algorithms.facts_of(algorithm).objective.sagemaker in names
    assert all(len(one.name) <= 255 and len(one.regex) <= 500 for one in definitions)
    assert len(set(names)) == len(names) <= 20

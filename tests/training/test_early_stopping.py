"""The rule of SageMaker contract 1.2, on tables computed by hand."""

from __future__ import annotations

import json
from math import nan

import pytest

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.settings.learning import LearningSettings
from vision.training.early_stopping import EarlyStopping, stopping_rule


def stops_after(values: list[float], min_epochs: int, patience: int, tolerance: float) -> int | None:
    """Number of epochs that ran when the rule fired, None if it never did."""
    rule = EarlyStopping(min_epochs, patience, tolerance)
    for epoch, value in enumerate(values, start=1):
        if rule.update(value):
            return epoch
    return None


@pytest.mark.parametrize(
    ("case", "values", "min_epochs", "patience", "tolerance", "expected"),
    [
        ("always better", [0.1, 0.2, 0.3, 0.4], 1, 1, 0.0, None),
        ("one epoch worse, patience 1", [0.5, 0.4], 1, 1, 0.0, 2),
        ("patience counts epochs in a row", [0.5, 0.4, 0.6, 0.5, 0.5], 1, 2, 0.0, 5),
        ("patience not reached", [0.5, 0.4, 0.4], 1, 3, 0.0, None),
        ("a tie is no gain", [0.5, 0.5, 0.5], 1, 2, 0.0, 3),
        ("any strict gain counts at tolerance 0", [0.5, 0.500001, 0.500002], 1, 1, 0.0, None),
        # (0.54 - 0.5) / 0.5 = 0.08 < 0.1; (0.5625 - 0.5) / 0.5 = 0.125 >= 0.1
        ("gain below the tolerance", [0.5, 0.54], 1, 1, 0.1, 2),
        ("gain above the tolerance", [0.5, 0.5625], 1, 1, 0.1, None),
        # exact in binary: (0.625 - 0.5) / 0.5 = 0.25, which is not below 0.25
        ("gain equal to the tolerance", [0.5, 0.625], 1, 1, 0.25, None),
        ("relative, not absolute", [0.01, 0.012], 1, 1, 0.1, None),
        # 0.54 is the best from epoch 2 on: (0.57 - 0.54) / 0.54 = 0.056 < 0.1
        ("small gains raise the best and do not add up", [0.5, 0.54, 0.57], 1, 2, 0.1, 3),
        ("tolerance 1 asks for a doubling", [0.25, 0.5], 1, 1, 1.0, None),
        ("tolerance 1, less than a doubling", [0.25, 0.4], 1, 1, 1.0, 2),
        ("first epochs always run", [0.5, 0.4, 0.3, 0.2, 0.1], 4, 1, 0.0, 4),
        ("epochs before the minimum are counted", [0.5, 0.4, 0.4, 0.4], 4, 3, 0.0, 4),
        ("minimum reached, patience not", [0.5, 0.4, 0.6, 0.5], 3, 2, 0.0, None),
        ("min epochs 1 cannot stop a first good epoch", [0.5], 1, 1, 0.0, None),
        ("best 0: still 0 is no gain", [0.0, 0.0], 1, 1, 0.5, 2),
        ("best 0: any gain counts", [0.0, 1e-9], 1, 1, 1.0, None),
        ("nan is no gain", [0.5, nan, nan], 1, 2, 0.0, 3),
        ("nan never becomes the best", [nan, 0.1, 0.2], 1, 2, 0.0, None),
        ("nan from the start", [nan, nan], 1, 2, 0.0, 2),
        ("a gain after nan resets", [0.5, nan, 0.6, nan], 1, 2, 0.0, None),
    ],
)
def test_rule(
    case: str, values: list[float], min_epochs: int, patience: int, tolerance: float, expected: int | None
) -> None:
    assert stops_after(values, min_epochs, patience, tolerance) == expected


def test_state_survives_json_at_every_epoch() -> None:
    values = [nan, 0.3, 0.31, 0.2, 0.31, 0.4, 0.1, 0.2, 0.3]
    # By hand: 0.31 gains too little on 0.3, so the fifth is the third without a gain; so is the ninth after 0.4.
    expected = [False, False, False, False, True, False, False, False, True]
    for cut in range(len(values) + 1):
        first = EarlyStopping(3, 3, 0.05)
        decisions = [first.update(value) for value in values[:cut]]
        second = EarlyStopping(3, 3, 0.05)
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert decisions + [second.update(value) for value in values[cut:]] == expected


@pytest.mark.parametrize(
    ("hyperparameters", "patience", "expected"),
    [
        ({}, None, None),
        ({"early_stopping": True, "early_stopping_tolerance": 0.5}, None, (10, 5, 0.5)),
        ({}, 3, (1, 3, 0.0)),
        ({"early_stopping": True}, 3, (1, 3, 0.0)),
    ],
)
def test_settings_choose_the_rule(
    hyperparameters: dict[str, object], patience: int | None, expected: tuple[int, int, float] | None
) -> None:
    given = {"num_classes": 2, "num_training_samples": 1, **hyperparameters}
    rule = stopping_rule(ImageClassificationHyperparameters.parse(given), LearningSettings(patience=patience))
    assert expected == (None if rule is None else (rule.min_epochs, rule.patience, rule.tolerance))

from __future__ import annotations

import json

import numpy as np
import pytest

from vision.algorithms.image_classification.algorithm import ALGORITHM
from vision.algorithms.image_classification.predictions import Classification

NAMES = ("cat", "dog", "owl")
FOUND = Classification(np.array([0.0625, 0.875, 0.0625], np.float32), multi_label=False)
SEVERAL = Classification(np.array([0.5, 0.875, 0.0625], np.float32), multi_label=True)


@pytest.mark.parametrize(
    ("found", "form", "text"),
    [
        (FOUND, "application/json", "[0.0625, 0.875, 0.0625]"),
        (FOUND, "application/jsonlines", '{"prediction": [0.0625, 0.875, 0.0625]}'),
        *(
            (
                FOUND,
                f"application/{lines};verbose",
                '{"predicted_label": "dog", "labels": ["cat", "dog", "owl"], "probabilities": [0.0625, 0.875, 0.0625]}',
            )
            for lines in ("json", "jsonlines")
        ),
        (
            SEVERAL,
            "application/json;verbose",
            '{"predicted_label": "dog", "predicted_labels": ["cat", "dog"], "labels": ["cat", "dog", "owl"], '
            '"probabilities": [0.5, 0.875, 0.0625]}',
        ),
    ],
)
def test_answers_of_the_endpoint(found: Classification, form: str, text: str) -> None:
    assert form in ALGORITHM.facts.answer_forms
    assert ALGORITHM.respond(found, form, (10, 20), NAMES).decode() == text


@pytest.mark.parametrize("form", ALGORITHM.facts.answer_forms)
def test_scores_come_back_as_the_same_float32_and_in_few_digits(form: str) -> None:
    rng = np.random.default_rng(0)
    written = [1.0, 0.1, 1e-9, 5e-324, 1.1754944e-38, 3.4e-9, 0.33333334]
    scores = np.concatenate([np.array(written), 10.0 ** rng.uniform(-40, 0, 200)]).astype(np.float32)
    names = tuple(map(str, range(len(scores))))
    text = ALGORITHM.respond(Classification(scores, multi_label=False), form, (1, 1), names).decode()
    answer = json.loads(text)
    found = answer if form == "application/json" else answer.get("prediction", answer.get("probabilities"))
    np.testing.assert_array_equal(np.array(found, np.float32), scores)
    assert found[:4] == [1.0, 0.1, 1e-09, 0.0]
    assert max(len(repr(score).replace(".", "").lstrip("0").partition("e")[0]) for score in found) <= 9

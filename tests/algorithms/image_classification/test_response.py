from __future__ import annotations

import json

import numpy as np
import pytest

from vision.algorithms.image_classification import ALGORITHM
from vision.algorithms.image_classification.predictions import Classification

FOUND = Classification(np.array([0.0625, 0.875, 0.0625], np.float32), multi_label=False)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("application/json", "[0.0625, 0.875, 0.0625]"),
        ("application/jsonlines", '{"prediction": [0.0625, 0.875, 0.0625]}'),
    ],
)
def test_answers_of_the_endpoint(form: str, text: str) -> None:
    assert form in ALGORITHM.response_forms
    assert json.dumps(ALGORITHM.respond(FOUND, form, (10, 20))) == text

"""Settings that must be equal to go on from a model."""

from __future__ import annotations

import pytest

from vision.artifacts.compatibility import compare_settings


@pytest.mark.parametrize(
    ("required", "stored", "expected"),
    [
        ({}, {"num_layers": "18"}, []),
        ({"num_layers": "18", "num_classes": "2"}, {"num_classes": "2", "num_layers": "18", "epochs": "9"}, []),
        (
            {"num_layers": "18", "num_classes": "3"},
            {"num_layers": "50", "num_classes": "2"},
            [
                "num_layers is 18 in this job and 50 in the stored model",
                "num_classes is 3 in this job and 2 in the stored model",
            ],
        ),
        ({"top_k": "5"}, {}, ["top_k is 5 in this job and not set in the stored model"]),
        ({"top_k": None}, {}, []),
        ({"top_k": None}, {"top_k": "5"}, ["top_k is not set in this job and 5 in the stored model"]),
    ],
)
def test_names_what_differs(required: dict[str, str], stored: dict[str, str], expected: list[str]) -> None:
    assert compare_settings(required, stored) == expected

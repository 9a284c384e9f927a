"""The answers of SageMaker's endpoint (SageMaker, "Input/Output Interface for the Image Classification Algorithm")."""

from __future__ import annotations

from typing import Any

from vision.algorithms.image_classification.predictions import Classification

LINES_FORM = "application/jsonlines"


def respond(classification: Classification, form: str) -> list[float] | dict[str, Any]:
    """The JSON value of one image's answer: the bare probabilities in class order, as an object in JSON lines."""
    probabilities = [round(float(p), 8) for p in classification.probabilities]
    return {"prediction": probabilities} if form == LINES_FORM else probabilities

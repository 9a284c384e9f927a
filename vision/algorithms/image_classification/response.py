"""The answers of SageMaker's endpoints: those of "Input/Output Interface for the Image Classification Algorithm", and
with ``verbose`` those of its newer "Image Classification - TensorFlow".
"""

from __future__ import annotations

from vision.algorithms.image_classification.predictions import Classification
from vision.algorithms.json_answer import json_scores


def respond(classification: Classification, form: str, class_names: tuple[str, ...]) -> list[float] | dict[str, object]:
    """Return the JSON value of one image's answer: the bare probabilities in class order, as an object in JSON lines.

    With ``verbose``, ``labels`` are the names of all classes in the same order. Several classes may be true of one
    image in multi-label models: ``predicted_labels`` are those with a probability of at least one half.
    """
    probabilities = json_scores(classification.probabilities)
    if form.endswith(";verbose"):
        several = [class_names[i] for i in classification.class_ids]
        return {
            "predicted_label": class_names[classification.class_id],
            **({"predicted_labels": several} if classification.multi_label else {}),
            "labels": list(class_names),
            "probabilities": probabilities,
        }
    return {"prediction": probabilities} if form == "application/jsonlines" else probabilities

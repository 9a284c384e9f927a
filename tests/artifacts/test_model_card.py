from __future__ import annotations

import math

from vision.artifacts.model_card import MOST_CLASSES, CardFacts, model_card
from vision.artifacts.model_description import ModelDescription

MODEL = ModelDescription(
    algorithm="image_classification",
    architecture={"num_layers": 20},
    hyperparameters={"epochs": "8", "learning_rate": "0.1"},
    class_names=("cat", "dog | <b>wolf</b>\n# x"),
    preprocessing={"image_shape": [3, 28, 28]},
    metrics={"accuracy": 0.5},
    epoch=7,
)
FACTS = CardFacts(
    title="Image Classification",
    data={"train": "data/train.rec", "validation": "data/val.rec"},
    images={"train": 1438, "validation": 359},
    class_counts=(700.0, 738.0),
    metrics={"accuracy": 0.97214, "macro_f1": math.nan},
)


def test_says_what_is_stored() -> None:
    text = model_card("digits", MODEL, FACTS)
    lines = text.splitlines()
    assert lines[0] == "# Model card: digits"
    assert "Image Classification with 2 classes. The weights are those after 7 epochs." in lines
    for line in (
        "| accuracy | 0.9721 |",
        "| macro\\_f1 | undefined |",
        "| train | data/train.rec | 1438 |",
        "| 0 | cat | 700 |",
        "| num\\_layers | 20 |",
        "| learning\\_rate | 0.1 |",
        "| image\\_shape | \\[3, 28, 28\\] |",
    ):
        assert line in lines, line
    assert "On the 359 images of the validation channel" in text
    headings = [line for line in lines if line.startswith("## ")]
    assert headings == [
        f"## {name}" for name in ("Use", "Results", "Data", "Input", "Network", "Training", "Made with")
    ]


def test_names_are_shown_as_they_are() -> None:
    (line,) = [line for line in model_card("x", MODEL, FACTS).splitlines() if line.startswith("| 1 |")]
    assert line == "| 1 | dog \\| \\<b\\>wolf\\</b\\> \\# x | 738 |"


def test_many_classes_are_cut_and_counts_may_be_unknown() -> None:
    names = tuple(f"c{n}" for n in range(MOST_CLASSES + 3))
    model = MODEL.model_copy(update={"class_names": names})
    text = model_card("x", model, CardFacts("Object Detection", {}, {}, None, {}))
    assert f"| {MOST_CLASSES - 1} | c{MOST_CLASSES - 1} |  |" in text
    assert f"c{MOST_CLASSES} |" not in text
    assert "and 3 more classes" in text
    assert "None were measured." in text

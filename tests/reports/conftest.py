"""An evaluation with every kind of part and names that try to do harm."""

from __future__ import annotations

import numpy as np
import pytest

from vision.metrics.evaluation import Box, Curves, Evaluation, Example, Gallery, Matrix, Table


@pytest.fixture
def evil() -> str:
    return '<script>alert("x")</script>'


@pytest.fixture
def names(evil: str) -> tuple[str, ...]:
    return ("cat", evil, "$\\frac{a$", "_hidden")


@pytest.fixture
def evaluation(evil: str, names: tuple[str, ...]) -> Evaluation:
    line = np.linspace(0, 1, 5)
    boxes = (Box((0.1, 0.2, 0.5, 0.6), "cat", "truth"), Box((-3.0, 0.9, 0.2, 5.0), evil, "prediction"))
    return Evaluation(
        num_images=7,
        metrics={"accuracy": 0.97128, "macro_f1": float("nan"), "loss": 1.5},
        class_names=names,
        tables=(
            Table("Most confused", ("truth", "predicted", "images"), (("cat", evil, 3),)),
            Table(
                "Per class",
                ("class", "F1", "images"),
                tuple((n, None if n == "cat" else 0.5, 3) for n in names),
                shares=("F1",),
            ),
            Table("By step", ("class", "F1"), tuple((n, 0.25) for n in names), is_long=True),
            Table("Of nothing", ("class", "F1"), (), is_long=True),
        ),
        matrices=(Matrix("Confusion", names, names, np.arange(16).reshape(4, 4)),),
        curves=(Curves("PR curves", "recall", "precision", dict.fromkeys(names, (line, 1 - line))),),
        galleries=(
            Gallery("Mistakes", (Example(3, "a.rec record 3", f"truth cat / predicted {evil} 0.98"),)),
            Gallery("Boxes", (Example(1, evil, "one missed", boxes), Example(2, "b.jpg", ""))),
        ),
        notes=(f"note with {evil}",),
    )


@pytest.fixture
def history() -> list[dict[str, float | int]]:
    return [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "train_accuracy": 0.5 + epoch / 20,
            "validation_accuracy": 0.4 + epoch / 20,
            "learning_rate": 0.1,
            "images_per_second": 1000.0 + epoch,
            "data_wait_share": 0.02,
            "seconds": 40.0,
        }
        for epoch in range(1, 5)
    ]

"""A stand-in for the api, so that these tests need no torch and no data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import vision
from tests.reports.label_cases import Streamed
from vision import algorithms
from vision.metrics.bootstrap import Compared, Comparison, Interval, PairedIntervals
from vision.metrics.evaluation import Evaluation, Matrix, Table
from vision.metrics.label_evaluation import evaluate_image_labels

EVALUATION = Evaluation(
    num_images=3,
    metrics={"accuracy": 2 / 3},
    class_names=("cat", "[b]dog[/b]"),
    tables=(
        Table("Classes", ("class", "recall"), (("cat", 1.0), ("[b]dog[/b]", None))),
        Table("Steps", ("step",), ((0.123,),), is_long=True),
    ),
    matrices=(Matrix("Confusion", ("cat", "dog"), ("cat", "dog"), np.array([[1, 0], [1, 1]])),),
    labels=evaluate_image_labels(
        np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]),
        np.array([[True, False], [False, True], [False, True]]),
        ("cat", "[b]dog[/b]"),
        np.arange(3),
        None,
    ),
)


_BETTER = PairedIntervals(Interval(0.5, 0.25, 0.75), Interval(0.75, 0.5, 1.0), Interval(0.25, 0.125, 0.5))
COMPARISON = Comparison(
    model="first",
    other="second",
    num_images=8,
    resamples=300,
    objective="accuracy",
    metrics=(Compared("accuracy", _BETTER),),
    class_metric="recall",
    classes=(Compared("[b]dog[/b]", _BETTER),),
)


class FakeModel:
    algorithm = algorithms.get("image_classification")

    def predict_files(self, images: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, encoded in images:
            if isinstance(encoded, Exception):
                yield key, {"error": str(encoded)}
            elif bytes(encoded) == b"broken":
                yield key, {"error": f"{key}: is no image"}
            else:
                yield key, {"prediction": [0.25, 0.75], "label": "[b]dog[/b]", "score": 0.75}


class FakeApi(ModuleType):
    """Keeps what it was called with in ``calls``."""

    def __init__(self) -> None:
        super().__init__("vision.api")
        self.calls: list[tuple[Any, ...]] = []

    def train(self, job: Any) -> Any:
        self.calls.append(("train", job))
        return SimpleNamespace(metrics={"accuracy": job.hyperparameters.learning_rate, "mAP": 0.5})

    def evaluate_model(self, model: Path, channels: Any, run: Any, thresholds: Any) -> Any:
        self.calls.append(("evaluate", model, channels, run, thresholds))
        stored = SimpleNamespace(algorithm="image_classification", hyperparameters={"num_training_samples": "70"})
        return SimpleNamespace(evaluation=EVALUATION, stored=stored, validation=Streamed())

    def compare(self, model: Path, other: Path, channels: Any, run: Any, resamples: int, advance: Any) -> Comparison:
        self.calls.append(("compare", model, other, channels, run, resamples))
        advance(resamples)
        return COMPARISON

    def load(self, model: Path, run: Any) -> FakeModel:
        self.calls.append(("load", model, run))
        return FakeModel()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeApi:
    """The stand-in, in an empty working folder."""
    fake = FakeApi()
    monkeypatch.setitem(sys.modules, "vision.api", fake)
    monkeypatch.setattr(vision, "api", fake, raising=False)
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def model_here(tmp_path: Path) -> None:
    """What a model archive begins with, which is all that is looked at before one is loaded."""
    (tmp_path / "model.tar.gz").write_bytes(b"\x1f\x8b")

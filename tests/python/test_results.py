"""Results as a notebook and pandas take them."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

import vision
from tests.api.conftest import NAMES, picture
from vision import algorithms
from vision.algorithms.object_detection.response import ImageDetections
from vision.algorithms.semantic_segmentation.predictions import Segmentation
from vision.api import RunResult
from vision.metrics.evaluation import Table
from vision.python.model import Model
from vision.python.notebook import NotebookDisplay, data_frame, is_notebook
from vision.python.prediction import Finding, Prediction
from vision.python.results import EvaluationResult
from vision.training.progress_display import Position
from vision.training.stopwatch import Times


@pytest.fixture(scope="module")
def model(trained: RunResult) -> Model:
    return vision.load(trained.folder.path, run={"device": "cpu"})


def prediction(algorithm: str, raw: object, names: tuple[str, ...], image: np.ndarray) -> Prediction:
    """A prediction of a model that only has names."""
    found = algorithms.get(algorithm)
    stand_in = SimpleNamespace(
        algorithm=found, class_names=names, describe=lambda raw: found.describe_prediction(raw, names)
    )
    return Prediction(raw, image.shape[1::-1], image, cast("Model", stand_in))


def test_a_class_has_its_name_and_score(model: Model) -> None:
    encoded = picture(2, np.random.default_rng(8))
    best = model.predict(encoded)[0]
    assert best.label == NAMES[best.class_id]
    assert best.score == best.probabilities.max()
    assert [found.score for found in best.findings] == sorted(best.probabilities.tolist(), reverse=True)
    assert best.at_least(best.score) == best.findings[:1]
    assert best.boxes_xyxy_px.shape == (0, 4)
    assert best.masks == {}
    assert best.plot().size == (20, 20)
    assert best.to_pandas()["label"].tolist() == [found.label for found in best.findings]
    assert best.label in best._repr_html_()
    assert repr(best) == f"<Prediction: {best.label} {best.score:.1%}>"
    assert model.describe(best) == best.description


def test_many_images_are_answered_in_batches_of_any_kind(model: Model) -> None:
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (5, 30, 20, 3), dtype=np.uint8)
    found = model.predict(images, batch_size=2)
    assert [one.size_px for one in found] == [(20, 30)] * 5
    generated = model.predict(Image.fromarray(image) for image in images)
    for one, other in zip(found, generated, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_the_model_is_shown_in_a_line(model: Model) -> None:
    assert repr(model) == ("<Model of image_classification: 3 classes (red, green, blue), 272,086 weights, on cpu>")


def test_boxes_are_in_pixels_of_the_image() -> None:
    boxes = np.array([[0.25, 0.5, 0.5, 1.0], [0.0, 0.0, 1.0, 0.5]], np.float32)
    raw = ImageDetections(boxes, np.array([0.75, 0.25], np.float32), np.array([1, 0]))
    found = prediction("object_detection", raw, ("cat", "dog"), np.zeros((100, 200, 3), np.uint8))
    assert found.findings[0] == Finding("dog", 1, 0.75, (50.0, 50.0, 100.0, 100.0))
    np.testing.assert_array_equal(found.boxes_xyxy_px, [[50, 50, 100, 100], [0, 0, 200, 50]])
    np.testing.assert_array_equal(found.boxes_xyxy_unit, boxes)
    assert found.to_pandas()["right_px"].tolist() == [100, 200]
    # Drawn from a score of one half on.
    drawn = np.asarray(found.plot())
    assert drawn[99, 75].any()
    assert not drawn[25, 199].any()


def test_nothing_found_is_no_label() -> None:
    raw = ImageDetections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    found = prediction("object_detection", raw, ("cat",), np.zeros((8, 8, 3), np.uint8))
    assert (found.label, found.score, found.findings) == (None, 0.0, ())
    assert found.to_pandas().empty


def test_classes_of_pixels_are_masks() -> None:
    ids = np.array([[2, 2, 2], [2, 0, 0]], np.uint8)
    raw = Segmentation(np.zeros((3, 2, 3), np.float32), ids)
    found = prediction("semantic_segmentation", raw, ("sky", "road", "car"), np.zeros((2, 3, 3), np.uint8))
    assert [(one.label, one.score) for one in found.findings] == [
        ("car", pytest.approx(4 / 6)),
        ("sky", pytest.approx(2 / 6)),
    ]
    assert found.masks.keys() == {"car", "sky"}
    np.testing.assert_array_equal(found.masks["car"], ids == 2)


def test_pandas_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(vision.UserError, match="pip install pandas"):
        data_frame(("a",), [(1,)])


def test_a_notebook_shows_one_line_that_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not is_notebook()
    shown: list[str] = []
    handle = SimpleNamespace(update=shown.append)

    def display(html: str, display_id: bool) -> Any:
        shown.append(html)
        return handle

    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: 1))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(HTML=str, display=display))
    assert is_notebook()
    notebook = NotebookDisplay(every_batches=1)
    notebook.run_started(Position(0, 2, 0, 4))
    metrics = {"train_loss": 0.5, "validation_accuracy": 0.75}
    notebook.validating(Position(0, 2, 2, 4), Times(), metrics)
    notebook.validated(Position(0, 2, 4, 4), Times(), Times(), metrics)
    notebook.run_ended()
    assert shown == ['epoch 1/2 <progress value="0.500" max="1"></progress> validating', ""]
    assert "validation accuracy 0.7500" in capsys.readouterr().out


def test_empty_tables_are_not_shown() -> None:
    tables = (Table("Full", ("class",), (("cat",),)), Table("Empty", ("class",), ()))
    shown = EvaluationResult(1, {"accuracy": 1.0}, ("cat", "dog"), tables)._repr_html_()
    assert "Full" in shown
    assert "Empty" not in shown


def test_results_are_shown_by_notebooks_and_pandas(tmp_path: Path, channels: dict[str, str]) -> None:
    hyperparameters: Any = {"num_layers": 20, "image_shape": "3,16,16", "mini_batch_size": 20, "epochs": 1}
    run = {"output": tmp_path / "run", "device": "cpu", "workers": 0, "progress": "none"}
    result = vision.fit("image_classification", channels, run=run, **hyperparameters)
    assert repr(result).startswith(f"<TrainingResult {tmp_path / 'run'}: 1 epoch, accuracy ")
    assert result.to_pandas()["epoch"].tolist() == [1]
    assert result.plot().size[0] > 500
    assert "data:image/jpeg" in result._repr_html_()
    assert result.report._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert result.model.class_names == ("0", "1", "2")
    evaluation = result.evaluation
    assert evaluation.to_pandas()["metric"].tolist() == list(evaluation.metrics)
    table = evaluation.tables[0]
    assert evaluation.to_pandas(table.title).columns.tolist() == list(table.columns)
    with pytest.raises(vision.UserError, match=f"there are {table.title!r}"):
        evaluation.to_pandas("no such table")
    assert evaluation.plot().size[0] > 100
    assert "Metrics" in evaluation._repr_html_()
    assert repr(evaluation).startswith("<EvaluationResult of 33 images: accuracy ")
    path = result.folder.path
    compared = vision.compare(path, path, {"validation": channels["validation"]}, run={"device": "cpu"}, resamples=100)
    assert escape(compared.verdict) in compared._repr_html_()
    assert compared.verdict in repr(compared)
    assert compared.to_pandas()["difference"].tolist() == [0.0] * len(compared.to_pandas())

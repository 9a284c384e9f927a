"""Figures: what is drawn, looked up in matplotlib's objects and in the PNG."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from vision.metrics.evaluation import Curves, Evaluation, Matrix, Table
from vision.reports import figures


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved."""
    saved: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: object, **settings: object) -> None:
        saved.append(figure)
        save(figure, *args, **settings)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved


def size(png: bytes | None) -> tuple[int, int]:
    assert png is not None
    with Image.open(io.BytesIO(png)) as picture:
        picture.load()
        assert picture.format == "PNG"
        return picture.size


def test_learning_curves_draw_a_panel_for_what_is_there(drawn: list[Figure], history: list) -> None:
    size(figures.learning_curves(history))
    loss, score, rate, speed = drawn[0].axes
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == [
        "loss",
        "score",
        "learning rate",
        "images per second",
    ]
    np.testing.assert_allclose(loss.get_lines()[0].get_ydata(), [1, 1 / 2, 1 / 3, 1 / 4])
    assert len(score.get_lines()) == 2
    assert score.get_title(loc="right") == "best validation accuracy 0.6000, epoch 4"
    assert rate.get_yscale() == "log"
    assert speed.get_ylim()[0] == 0


def test_learning_curves_take_gaps_and_unknown_columns(drawn: list[Figure]) -> None:
    rows = [{"epoch": 1, "train_smooth_l1": 2.0}, {"epoch": 2, "train_smooth_l1": 1.0, "validation_mAP": 0.1, "x": 1}]
    size(figures.learning_curves(rows))
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == ["loss", "score"]
    assert list(drawn[0].axes[1].get_lines()[0].get_xdata()) == [2]


@pytest.mark.parametrize("history", [[], [{"epoch": 1}], [{"epoch": 1, "seconds": 3.0}]])
def test_no_history_no_figure(history: list) -> None:
    assert figures.learning_curves(history) is None


def test_a_run_that_diverged_can_still_be_drawn() -> None:
    nan = float("nan")
    size(figures.learning_curves([{"epoch": 1, "train_loss": nan, "validation_accuracy": nan, "learning_rate": 0}]))


def test_heat_map_writes_counts_and_takes_any_name(drawn: list[Figure], evaluation: Evaluation) -> None:
    size(figures.heat_map(evaluation.matrices[0]))
    axes = drawn[0].axes[0]
    assert {text.get_text() for text in axes.texts} == {str(n) for n in range(1, 16)}
    assert axes.get_yticklabels()[2].get_text() == "$\\frac{a$"


def test_heat_map_of_many_classes_shows_the_most_confused_and_says_so(drawn: list[Figure]) -> None:
    names = tuple(f"c{i}" for i in range(100))
    counts = np.eye(100, dtype=np.int64) * 50
    confused = list(range(7, 87, 2))
    counts[confused, np.roll(confused, 1)] = 5
    size(figures.heat_map(Matrix("Confusion", names, names, counts)))
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [names[c] for c in confused]
    assert axes.get_title(loc="left") == "the 40 of 100 classes with the most confusions"


def test_heat_map_need_not_be_square(drawn: list[Figure]) -> None:
    rows = tuple(f"c{i}" for i in range(70))
    counts = np.zeros((70, 71), np.int64)
    counts[3, 70] = 9
    size(figures.heat_map(Matrix("Confusion", rows, (*rows, "nothing"), counts)))
    labels = [label.get_text() for label in drawn[0].axes[0].get_xticklabels()]
    assert "c3" in labels
    assert labels[-1] == "nothing"


def test_bars_only_for_scores_of_classes(drawn: list[Figure], evaluation: Evaluation) -> None:
    confused, per_class, *_ = evaluation.tables
    assert figures.class_bars(confused) is None
    size(figures.class_bars(per_class))
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == ["F1"]
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["\u2013", "50.0", "50.0", "50.0"]


def test_bars_of_many_classes_show_the_weakest(drawn: list[Figure]) -> None:
    rows = tuple((f"c{i}", 1 - i / 1000) for i in range(200))
    size(figures.class_bars(Table("Per class", ("class", "F1"), rows, shares=("F1",))))
    labels = [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    assert labels == [f"c{i}" for i in range(199, 169, -1)]


def test_curves_have_a_legend_entry_each_and_the_yardstick_is_dashed(drawn: list[Figure], names: tuple) -> None:
    line = np.linspace(0, 1, 30)
    size(figures.curves_figure(Curves("c", "x", "y", {"ideal": (line, line), **dict.fromkeys(names, (line, line))})))
    axes = drawn[0].axes[0]
    shown = [text.get_text().strip() for text in axes.get_legend().get_texts()]
    assert shown[0] == "ideal"
    assert shown[3:] == ["$\\frac{a$", "_hidden"]
    assert axes.get_lines()[0].get_linestyle() == "--"
    assert axes.get_lines()[1].get_linestyle() == "-"


def test_no_curves_are_drawn_as_empty_axes() -> None:
    size(figures.curves_figure(Curves("c", "x", "y", {})))

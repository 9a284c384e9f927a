"""Tables and curves of thresholds, on the hand-worked labels of test_label_evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.metrics.test_label_evaluation import of_boxes, of_images
from vision.metrics.label_tables import (
    label_table,
    label_threshold_table,
    threshold_curves,
    threshold_note,
    threshold_table,
)


def test_labels_at_their_thresholds() -> None:
    table = label_table(of_images())
    assert table.title == "Labels at the assumed thresholds"
    assert table.columns[:6] == ("class", "threshold", "precision", "recall", "F1", "images")
    cat, _, owl = table.rows
    assert cat == ("cat", pytest.approx(0.3), pytest.approx(2 / 3), 1.0, pytest.approx(0.8), 2, 2, 1, 0)
    assert owl == ("owl", None, None, None, None, 0, 0, 0, 0)
    given = label_table(of_images([0.5] * 3))
    assert given.title == "Labels at the given thresholds"
    # To read where somebody asked for them, to look things up in where nobody did.
    assert (table.is_long, given.is_long) == (True, False)
    assert label_table(of_boxes()).columns[5] == "objects"


def test_one_threshold_for_all() -> None:
    table = threshold_table(of_images())
    assert [row[0] for row in table.rows] == pytest.approx([step / 20 for step in range(1, 20)])
    assert table.is_long
    # At 0.5: cat has one right of two passed and two true; dog alike.
    assert table.rows[9] == (0.5, 0.5, 0.5, 0.5, 2, 2, 2)
    # At 0.95 nothing passes; precision of nothing counts as 0.
    assert table.rows[18] == (0.95, 0.0, 0.0, 0.0, 0, 0, 4)


def test_each_label_by_threshold() -> None:
    rows = label_threshold_table(of_images()).rows
    assert len(rows) == 3 * 19
    assert rows[9] == ("cat", 0.5, 0.5, 0.5, 0.5, 1, 1, 1)
    assert rows[19 + 13] == ("dog", 0.7, 1.0, 0.5, pytest.approx(2 / 3), 1, 0, 1)


def test_curves_run_from_0_to_1() -> None:
    series = threshold_curves(of_images()).series
    assert list(series) == ["precision", "recall", "F1"]
    steps, recall = series["recall"]
    assert (steps[0], steps[-1]) == (0, 1)
    np.testing.assert_allclose(recall[[0, 35, 50, 95]], [1, 0.75, 0.5, 0])


def test_note_says_what_was_decided_and_the_means() -> None:
    note = threshold_note(of_images())
    assert "every label whose probability reaches the label's threshold, chosen here for the label's best F1" in note
    assert "precision 0.6667, recall 1.0000, F1 0.8000" in note
    assert "as given" in threshold_note(of_images([0.5] * 3))
    assert "a detection counts where its score reaches" in threshold_note(of_boxes())


def test_thresholds_that_tell_little_are_named() -> None:
    labels = of_images()
    assert "Doubtful: the thresholds of cat, dog rest on fewer than 10 images each." in threshold_note(labels)
    assert "Doubtful" not in threshold_note(of_images([0.5] * 3))
    extreme = replace(labels, thresholds=np.array([0.03, 0.5, 0.97]))
    assert "the thresholds of cat lie below 0.05 or above 0.95" in threshold_note(extreme)

from __future__ import annotations

import numpy as np
import pytest

from vision.algorithms.object_detection import anchor_statistics
from vision.algorithms.object_detection.anchor_statistics import AnchorStatistics

ANCHORS = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]], np.float32)


def statistics() -> AnchorStatistics:
    return AnchorStatistics(ANCHORS, 100, 0.5)


def test_shares_by_hand() -> None:
    # IoU with the better anchor: 1; 0.5 * 0.3 / 0.25 = 0.6; 0.01 / 0.25 = 0.04 (10 px a side).
    boxes = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 0.8], [0.1, 0.1, 0.2, 0.2]], np.float32)
    table = statistics().table(boxes)
    assert table.title == "Anchors"
    assert table.columns == (
        "size of the object at 100 px",
        "objects",
        "share with an anchor above IoU 0.5",
        "mean best IoU",
    )
    by_size = {row[0]: row[1:] for row in table.rows}
    assert by_size["below 16 px"] == (1, 0.0, pytest.approx(0.04))
    assert by_size["from 16 px"] == (0, None, None)
    # The root of 50 x 30 is 38.7 pixels.
    assert by_size["from 32 px"] == (2, 1.0, pytest.approx(0.8))
    assert by_size["all"] == (3, pytest.approx(2 / 3), pytest.approx((1 + 0.6 + 0.04) / 3))


def test_a_size_on_the_limit_belongs_to_the_larger() -> None:
    table = statistics().table(np.array([[0.0, 0.0, 0.32, 0.32]], np.float64))
    assert [row[0] for row in table.rows if row[1]] == ["from 32 px", "all"]


def test_no_objects() -> None:
    table = statistics().table(np.empty((0, 4), np.float32))
    assert all(row[1:] == (0, None, None) for row in table.rows)


def test_many_objects_are_sampled_and_the_table_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_statistics, "MOST_OBJECTS", 10)
    found = statistics()
    table = found.table(np.tile(ANCHORS[:1], (95, 1)))
    assert table.rows[-1] == ("all", 10, 1.0, pytest.approx(1.0))
    assert found.table(np.empty((0, 4))) is table

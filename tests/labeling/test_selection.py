from __future__ import annotations

import numpy as np
import pytest

from vision.labeling.selection import By, select

# Directions in degrees: two close pairs, one alone.
ANGLES = np.radians([0, 2, 90, 92, 200])
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
DOUBTS = np.array([0.9, 0.8, 0.1, 0.85, 0.2])


@pytest.mark.parametrize(
    ("by", "count", "expected"),
    [
        ("uncertainty", 3, [0, 3, 1]),
        # The mean points to 57 degrees or so, nearest to the image at 90; then the farthest, at 200 + 70; ...
        ("diverse", 3, [2, 4, 0]),
        ("diverse", 9, [2, 4, 0, 1, 3]),
        ("mixed", 1, [2]),
    ],
)
def test_by_hand(by: By, count: int, expected: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert select(DOUBTS, VECTORS, count, by).tolist() == expected


def test_mixed_chooses_different_ones_among_the_doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    doubts = np.array([0.9, 0.89, 0.88, 0.87, 0.1])
    monkeypatch.setattr("vision.labeling.selection.SHORTLIST", 1)
    assert sorted(select(doubts, VECTORS, 2, "mixed").tolist()) == [0, 1]
    monkeypatch.setattr("vision.labeling.selection.SHORTLIST", 2)
    chosen = set(select(doubts, VECTORS, 2, "mixed").tolist())
    assert len(chosen & {0, 1}) == len(chosen & {2, 3}) == 1


def test_labeled_images_are_kept_away_from() -> None:
    labeled = VECTORS[[0, 2]]
    assert select(DOUBTS, VECTORS, 2, "diverse", labeled).tolist()[0] == 4
    assert select(DOUBTS, VECTORS, 0, "diverse", labeled).tolist() == []

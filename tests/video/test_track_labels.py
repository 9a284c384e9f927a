from __future__ import annotations

import math

import numpy as np
import pytest

from vision.video import track_labels
from vision.video.track_labels import SmoothShares, TrackLabels


def test_a_track_has_the_class_of_most_votes() -> None:
    labels = TrackLabels()
    ids = np.array([1, 0])
    # Track 1 by hand: class 5 has 0.6, then 0.6 + 0.3 of 3 sightings; class 7 has 0.8.
    rows = [(5, 0.6, 5, 0.6), (7, 0.8, 7, 0.4), (5, 0.3, 5, 0.3)]
    for kind, score, expected, expected_score in rows:
        classes, scores = labels.update(ids, np.array([kind, 9]), np.array([score, 0.2]))
        assert classes.tolist() == [expected, 9]
        assert scores.tolist() == pytest.approx([expected_score, 0.2])


def test_only_the_latest_tracks_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_labels, "_MOST_TRACKS", 2)
    labels = TrackLabels()
    for track in (1, 2, 1, 3):
        labels.update(np.array([track]), np.array([0]), np.array([0.9]))
    # Track 1 was seen after track 2, which is forgotten and begins with its new class.
    assert labels.update(np.array([1]), np.array([4]), np.array([0.5]))[0].tolist() == [0]
    assert labels.update(np.array([2]), np.array([4]), np.array([0.5]))[0].tolist() == [4]


def test_shares_fade_with_the_real_time() -> None:
    shares = SmoothShares(seconds=2.0)
    assert shares.update(np.array([1.0, 0.0]), 10.0).tolist() == [1.0, 0.0]
    kept = math.exp(-0.5)
    expected = np.array([kept, 1.0]) / (1 + kept)
    assert shares.update(np.array([0.0, 1.0]), 11.0) == pytest.approx(expected)
    assert shares.update(np.array([0.0, 1.0]), 1e6) == pytest.approx([0.0, 1.0])

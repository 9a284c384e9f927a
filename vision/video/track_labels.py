"""Labels that hold still: the class of a track from all its sightings, and shares of classes smoothed over time.

Both are usable while the video runs. Legend: N boxes of a frame, C classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np

# Tracks that are remembered: far more than are in sight at a time. An endless stream must not fill the memory.
_MOST_TRACKS = 10_000


class TrackLabels:
    """The votes of each track's sightings for its class, each as strong as its score."""

    def __init__(self) -> None:
        self._votes: OrderedDict[int, dict[int, float]] = OrderedDict()
        self._sightings: dict[int, int] = {}

    def update(self, ids: np.ndarray, classes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Count the boxes of a frame and return the class int64 [N] and score float64 [N] of each box's track so far.

        The score is the mean of the scores for this class over all sightings, of which those of another class give 0.
        A box of no track (``ids`` 0) keeps its own class and score.
        """
        smooth_classes, smooth_scores = np.array(classes, np.int64), np.array(scores, np.float64)
        for place in np.flatnonzero(ids):
            track, kind = int(ids[place]), int(classes[place])
            votes = self._votes.setdefault(track, {})
            self._votes.move_to_end(track)
            votes[kind] = votes.get(kind, 0.0) + float(scores[place])
            self._sightings[track] = self._sightings.get(track, 0) + 1
            winner = max(votes, key=votes.__getitem__)
            smooth_classes[place], smooth_scores[place] = winner, votes[winner] / self._sightings[track]
        while len(self._votes) > _MOST_TRACKS:
            forgotten, _ = self._votes.popitem(last=False)
            del self._sightings[forgotten]
        return smooth_classes, smooth_scores


class SmoothShares:
    """The shares of C classes over time, in which a frame's weight falls to 1/e after ``seconds``."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._now_s = 0.0
        self._weighted = np.zeros(0)
        self._weight = 0.0

    def update(self, shares: np.ndarray, seconds: float) -> np.ndarray:
        """Take in the shares [C] of a frame at a time and return the smoothed shares float64 [C].

        They are the weighted mean of all frames so far, so that the first frame counts no more than any other.
        """
        shares = np.asarray(shares, np.float64)
        kept = math.exp(-max(0.0, seconds - self._now_s) / self._seconds) if self._weight else 0.0
        self._weighted = shares + (kept * self._weighted if self._weight else 0.0)
        self._weight = 1.0 + kept * self._weight
        self._now_s = seconds
        return self._weighted / self._weight

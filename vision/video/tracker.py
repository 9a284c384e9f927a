"""Give the objects of a video numbers that stay theirs from frame to frame: ByteTrack (Zhang and others 2022).

Boxes are matched with the tracks so far by overlap, those of a high score first; of what is left, those of a low score
(an object half hidden), which begin no tracks of their own. Tracks that meet no box are kept for a while. A box of
another class than the track's has to overlap it better: detectors waver between classes. Beyond the paper, boxes grow
while little is known of a track's motion, so that objects are followed at two frames a second too.

Legend: N boxes of a frame, T tracks. Boxes are xyxy in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from vision.box_iou import iou_matrix, iou_of_pairs
from vision.video.box_motion import BoxMotion

# A detector wavers between classes, but seldom: overlap with a track of another class counts for less.
_WORTH_OF_ANOTHER_CLASS = 0.4
# Boxes of two classes that overlap so much are one object, of which the detector is not sure.
_IOU_OF_ONE_OBJECT = 0.7


@dataclass(frozen=True)
class TrackerSettings:
    """When boxes belong together. Scores and IoU are shares.

    ``high_score``: boxes from here on are matched first, and begin tracks. ``low_score``: boxes below both are ignored.
    ``lost_seconds``: a track unseen for longer ends.
    ``least_iou``, ``least_iou_of_low_scores``: the overlap that a match needs.
    """

    high_score: float = 0.5
    low_score: float = 0.1
    lost_seconds: float = 1.0
    least_iou: float = 0.2
    least_iou_of_low_scores: float = 0.3


class Tracker:
    """The tracks of one video. ``frame_rate``: frames a second of those it is given, which times are measured against.

    Memory is bounded by the boxes of a frame and the time that lost tracks are kept.
    """

    def __init__(self, frame_rate: float, settings: TrackerSettings | None = None) -> None:
        if not (math.isfinite(frame_rate) and frame_rate > 0):
            raise ValueError(f"the frame rate must be a positive number, not {frame_rate}")
        self._settings = settings or TrackerSettings()
        self._step_s = 1 / frame_rate
        # At few frames a second, a track must outlive one frame in which its object is missed.
        self._lost_s = max(self._settings.lost_seconds, 2.5 * self._step_s)
        self._now_s: float | None = None
        self._last_id = 0
        self._motion = BoxMotion()
        # 0 as long as an object was seen but once.
        self._ids = np.zeros(0, np.int64)
        # The class of the surest sighting, and its score.
        self._classes = np.zeros(0, np.int64)
        self._surest = np.zeros(0)
        self._unseen_s = np.zeros(0)

    def __len__(self) -> int:
        """Return the number of tracks that are kept, confirmed or not."""
        return len(self._ids)

    def update(
        self, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, seconds: float | None = None
    ) -> np.ndarray:
        """Return the track's number int64 [N] of each box of the next frame, 0 for a box of no confirmed track.

        ``boxes`` float [N, 4], ``scores`` [N], ``classes`` int [N]; ``seconds``: the time of the frame in the video,
        without which (and where time stands still or runs backwards) frames are evenly spaced. Numbers begin at 1 and
        are never given twice. A track is confirmed when its object is seen a second time; those of the first frame are
        at once.
        """
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        scores, classes = np.asarray(scores, np.float64), np.asarray(classes, np.int64)
        usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        usable &= scores >= min(self._settings.low_score, self._settings.high_score)
        boxes = np.where(usable[:, None], boxes, 0.0)
        first = self._now_s is None
        self._advance(seconds)
        places = self._match(boxes, scores, classes, usable)
        seen = places >= 0
        self._follow(places[seen], boxes[seen], scores[seen], classes[seen])
        ids = np.zeros(len(boxes), np.int64)
        ids[seen] = self._ids[places[seen]]
        # What was seen only once was a false detection.
        self._keep((self._ids > 0) | (self._unseen_s == 0))
        new = ~seen & usable & (scores >= self._settings.high_score)
        new &= ~_is_double(boxes, np.where(seen, np.inf, np.where(new, scores, -np.inf)), classes)
        ids[new] = self._begin(boxes[new], scores[new], classes[new], confirmed=first)
        return ids

    def _advance(self, seconds: float | None) -> None:
        """Move the tracks on to the time of the frame and end those that were lost for too long."""
        step_s = self._step_s
        if seconds is not None and math.isfinite(seconds):
            if self._now_s is not None and seconds > self._now_s:
                step_s = seconds - self._now_s
            self._now_s = seconds
        else:
            self._now_s = 0.0 if self._now_s is None else self._now_s + step_s
        unseen = self._unseen_s > 0
        self._unseen_s += step_s
        self._motion.predict(step_s, unseen)
        self._keep(self._unseen_s <= self._lost_s)

    def _match(self, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Return the place int64 [N] of the track of each box, -1 for none and for those not ``usable`` bool [N]."""
        settings = self._settings
        places = np.full(len(boxes), -1, np.int64)
        if not len(boxes) or not len(self._ids):
            return places
        high = usable & (scores >= settings.high_score)
        # Long after a sighting a box may be anywhere near: all boxes are grown by what the track does not know.
        margins = self._motion.margins()[:, None] * np.array([-1.0, -1.0, 1.0, 1.0])
        iou = iou_of_pairs((self._motion.boxes() + margins)[:, None], boxes + margins[:, None])
        iou *= np.where(self._classes[:, None] == classes, 1.0, _WORTH_OF_ANOTHER_CLASS)
        confirmed = self._ids > 0
        # Of two boxes that overlap a track alike, the one that the detector is surer of.
        fused = iou * scores
        stages = (
            (fused, confirmed, high, settings.least_iou),
            (iou, confirmed, usable & ~high, settings.least_iou_of_low_scores),
            (fused, ~confirmed, high, settings.least_iou),
        )
        free = np.ones(len(self._ids), bool)
        for similarity, tracks, candidates, least in stages:
            rows, columns = np.flatnonzero(tracks & free), np.flatnonzero(candidates & (places < 0))
            matched_rows, matched_columns = _assign(similarity[np.ix_(rows, columns)], least)
            places[columns[matched_columns]] = rows[matched_rows]
            free[rows[matched_rows]] = False
        return places

    def _follow(self, places: np.ndarray, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> None:
        """Update the tracks at places [n] with the boxes that they matched."""
        self._motion.correct(places, boxes)
        self._unseen_s[places] = 0.0
        surer = scores > self._surest[places]
        self._classes[places[surer]], self._surest[places[surer]] = classes[surer], scores[surer]
        confirmed = places[self._ids[places] == 0]
        self._ids[confirmed] = self._new_ids(len(confirmed))

    def _begin(self, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, *, confirmed: bool) -> np.ndarray:
        ids = self._new_ids(len(boxes)) if confirmed else np.zeros(len(boxes), np.int64)
        self._motion.add(boxes)
        self._ids = np.concatenate([self._ids, ids])
        self._classes = np.concatenate([self._classes, classes])
        self._surest = np.concatenate([self._surest, scores])
        self._unseen_s = np.concatenate([self._unseen_s, np.zeros(len(boxes))])
        return ids

    def _new_ids(self, count: int) -> np.ndarray:
        self._last_id += count
        return np.arange(self._last_id - count + 1, self._last_id + 1)

    def _keep(self, kept: np.ndarray) -> None:
        if not kept.all():
            self._motion.keep(kept)
            self._ids, self._unseen_s = self._ids[kept], self._unseen_s[kept]
            self._classes, self._surest = self._classes[kept], self._surest[kept]


def _is_double(boxes: np.ndarray, ranks: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return a mask bool [N] of the boxes that are another class's view of a box of higher rank [N]."""
    other = (classes[:, None] != classes) & (ranks[:, None] < ranks)
    if not other.any():
        return np.zeros(len(boxes), bool)
    return (other & (iou_matrix(boxes, boxes) >= _IOU_OF_ONE_OBJECT)).any(axis=1)


def _assign(similarity: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pairs, each at most once, of at least that similarity and the greatest sum."""
    allowed = np.where(similarity >= least, similarity, 0.0)
    rows, columns = linear_sum_assignment(allowed, maximize=True)
    matched = allowed[rows, columns] > 0
    return rows[matched], columns[matched]

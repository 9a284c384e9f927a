"""What is said of each frame: objects with the tracks they belong to, labels that hold still, or shares of classes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vision.algorithms.algorithm import Mark, ScoredLabel
from vision.api.model import Model
from vision.video.predicted_frames import PredictedFrame
from vision.video.track_labels import SmoothShares, TrackLabels
from vision.video.tracker import Tracker

# Labels of a whole frame that are written: the most certain ones.
_MOST_LABELS = 5


@dataclass(frozen=True)
class SeenObject:
    """A box in fractions of the frame with its class in this frame and, where it belongs to a ``track``, in all.

    ``track`` 0: none.
    """

    class_id: int
    score: float
    box_xyxy_unit: tuple[float, float, float, float]
    track: int
    smoothed_class_id: int


@dataclass(frozen=True)
class FrameLabels:
    """What a frame shows, in the one form that the model's labels have.

    ``objects`` of a model that finds boxes; ``labels`` of one that labels whole frames, with the ``smoothed`` ones over
    time; ``shares`` of the pixels of one that classifies pixels.
    """

    objects: tuple[SeenObject, ...] = ()
    labels: tuple[ScoredLabel, ...] = ()
    smoothed: tuple[ScoredLabel, ...] = ()
    shares: tuple[ScoredLabel, ...] = ()

    def best_scores(self) -> dict[int, float]:
        """Return the best score, or the share, of each class that the frame shows, by its id."""
        seen = [(one.smoothed_class_id, one.score) for one in self.objects]
        seen += [(one.class_id, one.score) for one in (*self.smoothed, *self.shares)]
        return dict(sorted(seen, key=lambda item: item[1]))


@dataclass
class FrameReader:
    """Reads predictions frame by frame. ``least_score``: boxes below are left out, unless they belong to a track."""

    model: Model
    least_score: float
    tracker: Tracker | None
    _track_labels: TrackLabels = field(default_factory=TrackLabels)
    _shares: SmoothShares = field(default_factory=SmoothShares)

    def __post_init__(self) -> None:
        self.task = self.model.algorithm.label_task(self.model.hyperparameters)
        self._names = self.model.class_names

    def read(self, frame: PredictedFrame) -> FrameLabels:
        """Return what the next frame shows."""
        found = self.model.algorithm.scored_labels(frame.prediction)
        if self.task == "boxes":
            return FrameLabels(objects=self._objects(found, frame))
        if self.task == "mask":
            return FrameLabels(shares=tuple(found))
        return FrameLabels(labels=tuple(found[:_MOST_LABELS]), smoothed=self._smoothed(found, frame.seconds))

    def as_json(self, labels: FrameLabels) -> dict[str, object]:
        """Return what a frame shows as a part of its JSON object. Boxes are in fractions of the frame."""
        if self.task == "boxes":
            return {"objects": [self._object_json(one) for one in labels.objects]}
        if self.task == "mask":
            return {"shares": {self._names[one.class_id]: _rounded(one.score) for one in labels.shares}}
        return {"labels": self._labels_json(labels.labels), "smoothed": self._labels_json(labels.smoothed)}

    def marks(self, labels: FrameLabels, frame: PredictedFrame) -> list[Mark]:
        """Return what to draw onto the frame: boxes in the color of their track, or the smoothed labels in a corner."""
        if self.task == "mask":
            return self.model.algorithm.marks(self.model.describe(frame.prediction))
        if self.task != "boxes":
            text = ", ".join(f"{self._names[one.class_id]} {one.score:.0%}" for one in labels.smoothed)
            return [Mark(text)] if text else []
        return [
            Mark(
                self._names[one.smoothed_class_id],
                f"#{one.track}" if one.track else f"{one.score:.0%}",
                one.box_xyxy_unit,
                color_number=one.track or None,
            )
            for one in labels.objects
        ]

    def _objects(self, found: list[ScoredLabel], frame: PredictedFrame) -> tuple[SeenObject, ...]:
        units = np.array([label.box_xyxy_unit for label in found], np.float64).reshape(-1, 4)
        scores = np.array([label.score for label in found])
        classes = np.array([label.class_id for label in found], np.int64)
        tracks, smoothed = np.zeros(len(found), np.int64), classes
        if self.tracker is not None:
            tracks = self.tracker.update(units * (frame.prepared.size_px * 2), scores, classes, frame.seconds)
            smoothed, _ = self._track_labels.update(tracks, classes, scores)
        kept = np.flatnonzero((scores >= self.least_score) | (tracks > 0)).tolist()
        return tuple(
            SeenObject(int(classes[k]), float(scores[k]), tuple(units[k].tolist()), int(tracks[k]), int(smoothed[k]))
            for k in kept
        )

    def _smoothed(self, found: list[ScoredLabel], seconds: float) -> tuple[ScoredLabel, ...]:
        shares = np.zeros(len(self._names))
        for label in found:
            shares[label.class_id] = label.score
        smooth = self._shares.update(shares, seconds)
        best = int(smooth.argmax())
        chosen = [best] if self.task == "single" else np.flatnonzero(smooth >= 0.5).tolist()
        return tuple(ScoredLabel(place, float(smooth[place])) for place in chosen)

    def _object_json(self, one: SeenObject) -> dict[str, object]:
        box = [round(edge, 6) for edge in one.box_xyxy_unit]
        found = {"label": self._names[one.class_id], "score": _rounded(one.score), "box": box}
        return {**found, "track": one.track, "smoothed": self._names[one.smoothed_class_id]} if one.track else found

    def _labels_json(self, labels: tuple[ScoredLabel, ...]) -> list[dict[str, object]]:
        return [{"label": self._names[one.class_id], "score": _rounded(one.score)} for one in labels]


def _rounded(score: float) -> float:
    return round(score, 4)

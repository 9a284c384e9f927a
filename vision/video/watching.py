"""Looks at videos with a model: frame by frame into files, and the frames worth a label into a folder of their own."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vision.api.model import Model
from vision.data.prefetch import Prefetch
from vision.progress_bar import progress_bar
from vision.settings.errors import UserError
from vision.settings.video import VideoSettings
from vision.video.annotated_video import CODECS
from vision.video.capture import Capture
from vision.video.frame_labels import FrameReader
from vision.video.frames import Limits, LiveFrames, StoredFrames, open_frames
from vision.video.predicted_frames import PredictedFrame, predicted_frames
from vision.video.sources import Source
from vision.video.tracker import Tracker, TrackerSettings
from vision.video.video_folder import ANNOTATED, VideoFolder
from vision.video.worth_labeling import WorthLabeling

WORTH_LABELING = "worth_labeling"


@dataclass(frozen=True)
class SeenClass:
    """A class that was seen ``times`` times (tracks, or stretches of the label; None: not followed), in ``frames``.

    ``mean_score`` is that of its best score in each of these frames, or its mean share of their pixels.
    """

    label: str
    times: int | None
    frames: int
    mean_score: float


@dataclass(frozen=True)
class VideoSummary:
    """What was seen of one source: ``frames`` looked at, to the time ``seconds`` of it, in ``took_s`` of ours.

    ``dropped``: frames of a live stream that came while the model was busy. ``classes``: those seen, the most frequent
    first. ``remarks``: sentences on the files read and written.
    """

    name: str
    frames: int
    seconds: float
    took_s: float
    dropped: int
    is_live: bool
    classes: tuple[SeenClass, ...]
    files: tuple[Path, ...]
    remarks: tuple[str, ...]


class Watching:
    """Looks at one source after the other; with ``several``, each has a folder of its own.

    ``model_name`` is what labeling tools show as the origin of proposals. Raises UserError where the settings ask for
    what the model does not do.
    """

    def __init__(self, model: Model, settings: VideoSettings, model_name: str, *, several: bool = False) -> None:
        self._model, self._settings, self._several = model, settings, several
        finds_boxes = model.algorithm.label_task(model.hyperparameters) == "boxes"
        if settings.track and not finds_boxes:
            raise UserError(f"A model of {model.algorithm.facts.name} finds no boxes to follow: leave out track=true.")
        self._tracks = finds_boxes if settings.track is None else settings.track
        self.is_stopped = False
        self._frames: StoredFrames | LiveFrames | None = None
        self._names: set[str] = set()
        self._worth = _worth_labeling(model, settings, model_name)

    def stop(self) -> None:
        """Have ``watch`` leave its source after the frames that are on their way; for another thread, or a signal."""
        self.is_stopped = True
        if self._frames is not None:
            self._frames.stop()

    def watch(self, source: Source, *, shows_progress: bool = False) -> VideoSummary:
        """Look at a source to its end, to a limit or until ``stop``. Raises DataError where no frame can be had."""
        settings, model = self._settings, self._model
        with Capture(source) as capture:
            rate = min(capture.frame_rate, settings.fps or capture.frame_rate)
            frames = self._frames = open_frames(capture, Limits(settings.fps, settings.seconds, settings.frames))
            if self.is_stopped:
                frames.stop()
            tracker = Tracker(rate, TrackerSettings(high_score=settings.score)) if self._tracks else None
            reader = FrameReader(model, settings.score, tracker)
            name = self._name(source)
            folder = settings.output / name if self._several else settings.output
            begun, count, last_s = time.monotonic(), 0, 0.0
            with (
                VideoFolder(folder, reader, rate, annotate=settings.annotate) as files,
                progress_bar(name, _expected(capture, frames.limits), shown=shows_progress) as advance,
            ):
                if self._worth is not None:
                    self._worth.begin(name, rate)
                for batch in self._read_ahead(frames):
                    for frame in batch:
                        scene = files.add(frame)
                        if self._worth is not None:
                            self._worth.offer(frame, scene)
                    count, last_s = count + len(batch), batch[-1].seconds
                    advance(len(batch))
        remarks = [*frames.remarks]
        if files.annotated is not None and files.annotated.codec:
            remarks.append(f"{ANNOTATED} is {CODECS[files.annotated.codec]}")
        return VideoSummary(
            name=source.name,
            frames=count,
            seconds=last_s,
            took_s=time.monotonic() - begun,
            dropped=frames.dropped,
            is_live=capture.is_live,
            classes=self._classes(files),
            files=tuple(files.paths),
            remarks=tuple(remarks),
        )

    def close(self) -> Sequence[Path]:
        """Choose the frames worth a label, of all sources, and return the files written."""
        return [] if self._worth is None else self._worth.write()

    def _read_ahead(self, frames: StoredFrames | LiveFrames) -> Iterator[list[PredictedFrame]]:
        """Yield batches while the model answers the next in a thread of its own."""
        with closing(predicted_frames(self._model, frames)) as batches:
            ahead = Prefetch(batches, 1)
            try:
                with ahead:
                    yield from ahead
            finally:
                frames.stop()
                ahead.wait()

    def _name(self, source: Source) -> str:
        """Return a name of plain characters, different for each source."""
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", source.stem).strip("_")[:80] or "video"
        name, number = stem, 1
        while name.lower() in self._names or name == WORTH_LABELING:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name.lower())
        return name

    def _classes(self, files: VideoFolder) -> tuple[SeenClass, ...]:
        names, frames, scores = self._model.class_names, files.frames, files.scores
        times = None if files.appearances is None else files.appearances.ended
        return tuple(
            SeenClass(names[one], None if times is None else times[one], frames[one], scores[one] / frames[one])
            for one in sorted(frames, key=lambda one: (-frames[one], -scores[one]))
        )


def _worth_labeling(model: Model, settings: VideoSettings, model_name: str) -> WorthLabeling | None:
    """Return what chooses frames; None where nobody asked for it, and not every model can."""
    if not settings.label:
        return None
    try:
        return WorthLabeling(model, settings.output / WORTH_LABELING, settings.label, model_name)
    except UserError:
        if "label" in settings.model_fields_set:
            raise
        return None


def _expected(capture: Capture, limits: Limits) -> int | None:
    """Return about how many frames are looked at; None of a stream without an end or a limit."""
    length_s = capture.num_frames / capture.frame_rate if capture.num_frames else limits.seconds
    if length_s is None:
        return limits.frames
    rate = min(capture.frame_rate, limits.per_second or capture.frame_rate)
    count = math.ceil(min(length_s, limits.seconds or length_s) * rate)
    return min(count, limits.frames or count)

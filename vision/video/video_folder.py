"""The files about one video, each line written when its frame was seen: a killed run leaves what it had so far."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import numpy as np

from vision.files.write_error import make_folder, writing
from vision.reports.drawn_images import MarkPainter
from vision.settings.errors import UserError
from vision.video.annotated_video import AnnotatedVideo
from vision.video.appearances import AppearanceTable
from vision.video.frame_labels import FrameLabels, FrameReader
from vision.video.mot_text import mot_text
from vision.video.predicted_frames import PredictedFrame

FRAMES, MOT, TRACKS, STRETCHES, ANNOTATED = "frames.jsonl", "mot.txt", "tracks.csv", "labels.csv", "annotated.mp4"


class VideoFolder:
    """Writes the lines, tables and pictures of one video into a folder. A context: leaving it finishes the files;
    an error before the first frame removes them.

    ``rate``: frames a second of those that are looked at. Raises WriteError.
    """

    def __init__(self, folder: Path, reader: FrameReader, rate: float, *, annotate: bool) -> None:
        make_folder(folder)
        self._reader = reader
        self._stack = ExitStack()
        self._paths: list[Path] = []
        self._is_empty = True
        self._folder = folder
        self._lines = self._open(FRAMES)
        self._mot = None if reader.tracker is None else self._open(MOT)
        self.appearances: AppearanceTable | None = None
        if reader.tracker is not None or reader.task == "single":
            # Longer than a tracker remembers what it does not see.
            over_after_s = max(5.0, 5.0 / rate)
            table = self._open(STRETCHES if reader.tracker is None else TRACKS)
            self.appearances = AppearanceTable(reader.model.class_names, over_after_s, table.write)
            self._stack.callback(self.appearances.close)
        self.annotated: AnnotatedVideo | None = None
        if annotate:
            self._paths.append(folder / ANNOTATED)
            self.annotated = self._stack.enter_context(AnnotatedVideo(folder / ANNOTATED, rate))
        # Of each class, in how many frames it was seen, and the sum of its best scores in them.
        self.frames: Counter[int] = Counter()
        self.scores: defaultdict[int, float] = defaultdict(float)
        self._painter = MarkPainter()
        self._stretch, self._stretch_class = 0, -1

    @property
    def paths(self) -> list[Path]:
        """The files that were written."""
        return [path for path in self._paths if path.exists()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing(self._folder):
            self._stack.__exit__(kind, error, trace)
        if kind is not None and self._is_empty:
            self._remove()

    def add(self, frame: PredictedFrame) -> frozenset[int]:
        """Write what a frame shows. Returns the numbers of the tracks in it, or of the stretch of its label."""
        labels = self._reader.read(frame)
        self._is_empty = False
        with writing(self._folder):
            line = {"frame": frame.number, "seconds": round(frame.seconds, 4), **self._reader.as_json(labels)}
            self._lines.write(json.dumps(line) + "\n")
            if self._mot is not None:
                self._mot.write(_mot_lines(frame, labels))
            scene = self._note(labels, frame.seconds)
        for class_id, score in labels.best_scores().items():
            self.frames[class_id] += 1
            self.scores[class_id] += score
        if self.annotated is not None:
            self.annotated.add(self._painter.draw(frame.rgb, self._reader.marks(labels, frame)), frame.seconds)
        return scene

    def _note(self, labels: FrameLabels, seconds: float) -> frozenset[int]:
        if self.appearances is None:
            return frozenset()
        self.appearances.pass_time(seconds)
        if self._reader.tracker is not None:
            tracked = [one for one in labels.objects if one.track]
            for one in tracked:
                self.appearances.see(one.track, one.smoothed_class_id, one.score, seconds)
            return frozenset(one.track for one in tracked)
        for label in labels.smoothed:
            if label.class_id != self._stretch_class:
                self._stretch, self._stretch_class = self._stretch + 1, label.class_id
            self.appearances.see(self._stretch, label.class_id, label.score, seconds)
        return frozenset([self._stretch])

    def _remove(self) -> None:
        """Remove the files, of which none says anything, so that the same command may be given again."""
        for path in self._paths:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()

    def _open(self, name: str) -> TextIO:
        path = self._folder / name
        self._paths.append(path)
        with writing(path):
            try:
                # Line by line, for those who read along and for what a kill leaves.
                return self._stack.enter_context(path.open("x", encoding="utf-8", buffering=1, newline="\n"))
            except FileExistsError:
                raise UserError(
                    f"{path} is there already, by another run at the same time: give a new folder"
                ) from None


def _mot_lines(frame: PredictedFrame, labels: FrameLabels) -> str:
    objects = labels.objects
    boxes = np.array([one.box_xyxy_unit for one in objects]).reshape(-1, 4) * (frame.prepared.size_px * 2)
    ids, scores = np.array([one.track for one in objects], np.int64), np.array([one.score for one in objects])
    return mot_text(frame.number, ids, boxes, scores)

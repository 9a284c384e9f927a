"""An MP4 file of pictures that are drawn onto frames."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from PIL import Image

from vision.settings.errors import UserError

# The first that this OpenCV can write. H.264 plays everywhere, but needs an encoder that most builds lack.
CODECS = {"avc1": "H.264", "mp4v": "MPEG-4 part 2, for players such as VLC; browsers want H.264"}
# No gap between two times in a file may fill the disk with the picture before it.
_MOST_REPEATS = 300


class AnnotatedVideo:
    """Writes pictures at the times of their frames, at ``rate`` a second. A context: leaving it makes the file whole.

    A picture is repeated until the next one's time, up to 300 times. ``codec`` says what is written, once it is.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path = path
        self.codec = ""
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._size_px = (0, 0)
        self._last: np.ndarray | None = None
        # The time of the file's first picture, and how many were written since: what is rounded must not add up.
        self._first_s, self._written = 0.0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None and not _can_be_read(self.path):
            raise UserError(f"{self.path} cannot be written whole: free some space on the disk, or give annotate=false")

    def add(self, picture: Image.Image, seconds: float) -> None:
        """Write the next picture, of that time. Those of other sizes take the first one's."""
        if self._writer is None:
            # Encoders halve the resolution of colors, which odd sides do not allow.
            self._size_px = (max(2, picture.width // 2 * 2), max(2, picture.height // 2 * 2))
            self._writer = self._open()
        if picture.size != self._size_px:
            picture = picture.resize(self._size_px)
        if self._last is None:
            self._first_s = seconds
        else:
            missing = (seconds - self._first_s) * self._rate - self._written
            if missing > _MOST_REPEATS - 1:
                self._first_s += (missing - (_MOST_REPEATS - 1)) / self._rate
                missing = _MOST_REPEATS - 1
            for _ in range(round(missing)):
                self._writer.write(self._last)
                self._written += 1
        self._last = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)
        self._writer.write(self._last)
        self._written += 1

    def _open(self) -> cv2.VideoWriter:
        for codec in CODECS:
            letters = cv2.VideoWriter.fourcc(*codec)
            writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, letters, self._rate, self._size_px)
            if writer.isOpened():
                self.codec = codec
                return writer
        raise UserError(f"{self.path} cannot be written: this OpenCV has no encoder for MP4; give annotate=false")


def _can_be_read(path: Path) -> bool:
    opened = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    try:
        return bool(opened.isOpened() and opened.grab())
    finally:
        opened.release()

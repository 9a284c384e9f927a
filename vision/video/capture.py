"""Opens what OpenCV can show frames of: a file, a camera or a stream, the first of them from whoever made it.

FFmpeg, which decodes, opens on its own what a playlist names, over the network too. So it is allowed containers that
name nothing outside themselves, and the one protocol that the source needs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np

from vision.data.image_codec import MAX_PIXELS, prepare_threads
from vision.settings.errors import DataError, UserError
from vision.settings.nearest import shown
from vision.video.container import check_file, why_not_opened

# Protocols that each kind of address needs, and containers, by FFmpeg's names.
_FILE_PROTOCOLS, _FILE_FORMATS = "file", "mov,matroska,avi"
_WEB, _WEB_FORMATS = "http,https,tcp,tls,httpproxy", "mov,matroska,avi,mpegts,mpjpeg"
_CAMERA, _CAMERA_FORMATS = "rtp,udp,tcp,tls", "rtsp,sdp"
SCHEMES = {
    "rtsp": (_CAMERA, _CAMERA_FORMATS),
    "rtsps": (_CAMERA, _CAMERA_FORMATS),
    "http": (_WEB, _WEB_FORMATS),
    "https": (_WEB, _WEB_FORMATS),
}
_TIMEOUT_MS = 10_000
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# FFmpeg's options come from the environment, which all threads share.
_opening = threading.Lock()


@dataclass(frozen=True)
class Source:
    """What a word names: the file ``path``, the camera of a number (``device``), or the stream at ``url``."""

    path: Path | None = None
    device: int | None = None
    url: str | None = None

    @property
    def name(self) -> str:
        """What to call it, without the password that an address may hold."""
        if self.url is not None:
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return f"camera {self.device}" if self.path is None else str(self.path)

    @property
    def stem(self) -> str:
        """A name for files about it."""
        return self.path.stem if self.path is not None else "stream" if self.device is None else f"camera{self.device}"


class Capture:
    """An open source: grabs one frame after the other, and converts those that are wanted. A context.

    Raises DataError where there is no video, or one with more pixels than an image may have.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        prepare_threads()
        self._opened = _open(source)
        if not self._opened.isOpened():
            raise DataError(source.name, _why_closed(source))
        width, height = (int(self._opened.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        self._check_size(width, height)
        rate = self._opened.get(cv2.CAP_PROP_FPS)
        self.frame_rate = rate if 0 < rate < 1000 else 25.0
        self.size_px = (width, height)
        count = self._opened.get(cv2.CAP_PROP_FRAME_COUNT)
        # What the container says; 0 of a stream without an end.
        self.num_frames = int(count) if 0 < count < 1 << 40 else 0

    @property
    def is_live(self) -> bool:
        """Whether frames come in their own time, whether or not they are wanted."""
        return self.source.path is None and self.num_frames == 0

    @property
    def codec(self) -> str:
        """The four letters of the codec."""
        letters = int(self._opened.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        return letters.to_bytes(4, "little").decode("ascii", "replace")

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.release()

    def grab(self) -> bool:
        """Go on to the next frame; False at the end."""
        return bool(self._opened.grab())

    @property
    def timestamp_s(self) -> float:
        """The time of the frame in its file, in seconds."""
        return float(self._opened.get(cv2.CAP_PROP_POS_MSEC)) / 1000

    def retrieve(self) -> np.ndarray | None:
        """Return the frame as uint8 [H, W, 3] BGR, upright; None if it cannot be converted."""
        found, pixels = self._opened.retrieve()
        if not found or pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            return None
        self._check_size(pixels.shape[1], pixels.shape[0])
        return pixels

    def _check_size(self, width: int, height: int) -> None:
        if width * height > MAX_PIXELS:
            raise DataError(
                self.source.name,
                f"has frames of {width}x{height} pixels, more than the {MAX_PIXELS:,} that are decoded",
            )


def parse_source(word: str) -> Source | None:
    """Return the camera or stream that a word of a command means; None for paths. Raises UserError."""
    if word.isascii() and word.isdigit() and len(word) < 4 and not Path(word).exists():
        return Source(device=int(word))
    scheme, mark, _ = word.partition("://")
    if not mark or Path(word).exists():
        return None
    if scheme.lower() not in SCHEMES:
        raise UserError(f"Argument {shown(word)} has the scheme {shown(scheme)}, but must have {', '.join(SCHEMES)}.")
    return Source(url=f"{scheme.lower()}://{word.partition('://')[2]}")


def _open(source: Source) -> cv2.VideoCapture:
    if source.device is not None:
        return cv2.VideoCapture(source.device, cv2.CAP_ANY)
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
    if source.url is not None:
        protocols, formats = SCHEMES[source.url.partition(":")[0]]
        # What the user's own environment asks for holds too, such as rtsp_transport;udp, but for the two limits.
        given = os.environ.get(_OPTIONS) or "rtsp_flags;prefer_tcp"
        with _ffmpeg_options(f"{given}|protocol_whitelist;{protocols}|format_whitelist;{formats}"):
            return cv2.VideoCapture(source.url, cv2.CAP_FFMPEG, timeouts)
    assert source.path is not None
    check_file(source.path)
    with _ffmpeg_options(f"protocol_whitelist;{_FILE_PROTOCOLS}|format_whitelist;{_FILE_FORMATS}"):
        # An absolute path begins with no protocol.
        return cv2.VideoCapture(os.path.abspath(source.path), cv2.CAP_FFMPEG)


def _why_closed(source: Source) -> str:
    if source.device is not None:
        return "cannot be opened: it is not there, another program holds it, or this user may not use it"
    if source.url is not None:
        return "cannot be reached, or sends no video that is read (a playlist is not: give the video itself)"
    assert source.path is not None
    return why_not_opened(source.path)


@contextmanager
def _ffmpeg_options(text: str) -> Iterator[None]:
    with _opening:
        before = os.environ.get(_OPTIONS)
        # FFmpeg's own lines on stderr would stand between ours, which say the same.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        os.environ[_OPTIONS] = text
        try:
            yield
        finally:
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before

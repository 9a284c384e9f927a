"""Opens files, cameras and streams by OpenCV, and gives their frames one by one.

FFmpeg, which decodes, opens by itself what a playlist names, over the network too. So it is allowed containers that
name nothing outside themselves, and the protocols that the source needs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from vision.data.image_codec import MAX_PIXELS, prepare_threads
from vision.settings.errors import DataError
from vision.video.container import check_file, why_not_opened
from vision.video.sources import Source

# Protocols that each kind of address needs, and containers, by FFmpeg's names.
_FILE_PROTOCOLS, _FILE_FORMATS = "file", "mov,matroska,avi"
_WEB, _WEB_FORMATS = "http,https,tcp,tls,httpproxy", "mov,matroska,avi,mpegts,mpjpeg"
_CAMERA, _CAMERA_FORMATS = "rtp,udp,tcp,tls", "rtsp,sdp"
_LIMITS = {
    "rtsp": (_CAMERA, _CAMERA_FORMATS),
    "rtsps": (_CAMERA, _CAMERA_FORMATS),
    "http": (_WEB, _WEB_FORMATS),
    "https": (_WEB, _WEB_FORMATS),
}
_TIMEOUT_MS = 10_000
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# FFmpeg's options come from the environment, which all threads share.
_opening = threading.Lock()


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


def _open(source: Source) -> cv2.VideoCapture:
    if source.device is not None:
        return cv2.VideoCapture(source.device, cv2.CAP_ANY)
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
    if source.url is not None:
        protocols, formats = _LIMITS[source.url.partition(":")[0]]
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

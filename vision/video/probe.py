"""``python -m vision.video.probe FILE``: what a video says of itself, as one line of JSON, by FFmpeg's names.

A process of its own, so that a file that breaks a decoder breaks nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from vision.settings.errors import DataError
from vision.video.capture import Capture
from vision.video.sources import Source

_CODECS = {
    **dict.fromkeys(("avc1", "h264", "x264"), "h264"),
    **dict.fromkeys(("hevc", "hev1", "hvc1"), "hevc"),
    **dict.fromkeys(("mp4v", "fmp4", "xvid"), "mpeg4"),
    **dict.fromkeys(("mjpg", "jpeg"), "mjpeg"),
    "vp80": "vp8",
    "vp09": "vp9",
    "vp90": "vp9",
    "av01": "av1",
}
_FORMATS = {b"\x1aE\xdf\xa3": "Matroska / WebM", b"RIFF": "AVI (Audio Video Interleaved)"}


def video_facts(path: Path) -> dict[str, object]:
    """Return codec, format, size, rate and length of a file. Raises DataError if it is no video that can be read."""
    with Capture(Source(path=path)) as capture:
        width, height = capture.size_px
        with path.open("rb") as file:
            head = file.read(4)
        return {
            "codec": _CODECS.get(capture.codec.lower(), capture.codec),
            "format": _FORMATS.get(head, "QuickTime / MOV"),
            "width_px": width,
            "height_px": height,
            "frame_rate": capture.frame_rate,
            "duration_ms": round(1000 * capture.num_frames / capture.frame_rate),
        }


if __name__ == "__main__":
    try:
        print(json.dumps(video_facts(Path(sys.argv[1]))))
    except DataError as error:
        sys.exit(f"vision: the video {error.reason}")

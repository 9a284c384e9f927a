"""Short clips, and what may be wrong with a file: times, a turned camera, a cut, a codec nobody knows."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX, RATE = 64, 48, 10
SIDE_PX = 12
_TIMES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts")


def square_at(number: int) -> tuple[int, int]:
    """Return the upper left corner of the square that wanders through the clip."""
    return 2 + 2 * number, 10 + number // 2


def write_clip(path: Path, frames: int = 20, *, code: str = "mp4v", rate: float = RATE) -> Path:
    """Write a clip of a white square that goes from left to right over a dark ground."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), rate, (WIDTH_PX, HEIGHT_PX))
    assert writer.isOpened(), code
    for number in range(frames):
        image = np.full((HEIGHT_PX, WIDTH_PX, 3), 30, np.uint8)
        x, y = square_at(number)
        image[y : y + SIDE_PX, x : x + SIDE_PX] = 255
        writer.write(image)
    writer.release()
    return path


def with_durations(mp4: bytes, durations: Sequence[int]) -> bytes:
    """Return an MP4 file whose frames last so many units of time each; a plain one has 1024 for each."""
    entries = b"".join(struct.pack(">II", 1, duration) for duration in durations)
    times = struct.pack(">I4sII", 16 + len(entries), b"stts", 0, len(durations)) + entries
    out, parents = bytearray(mp4), []
    start, end = 0, len(mp4)
    for kind in _TIMES:
        start, length = next((s, n) for s, n, k in _parts(mp4, start, end) if k == kind)
        parents.append((start, length))
        start, end = start + 8, start + length
    place, length = parents.pop()
    out[place : place + length] = times
    for place, whole in parents:
        out[place : place + 4] = struct.pack(">I", whole + len(times) - length)
    # The list of edits would end the clip at its former length.
    return bytes(out).replace(b"edts", b"free")


def turned(mp4: bytes) -> bytes:
    """Return an MP4 file that says its camera was turned by a quarter."""
    place = mp4.index(b"tkhd") + 44
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, HEIGHT_PX << 16, 0, 1 << 30)
    return mp4[:place] + matrix + mp4[place + len(matrix) :]


def _parts(content: bytes, start: int, end: int) -> list[tuple[int, int, bytes]]:
    found = []
    while start < end:
        length, kind = struct.unpack(">I4s", content[start : start + 8])
        found.append((start, length, kind))
        start += length
    return found

"""Why a video file does not open: what its container says of itself, without decoding."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

from vision.settings.counted import counted
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

FORMATS = "MP4, MOV, MKV, WebM or AVI"
_LOOKED_AT_BYTES = 1 << 20
_MOST_PARTS = 10_000
_FIRST_MP4_PARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
# Where Matroska names its codecs: V_ for pictures, A_ for sound.
_MKV_CODEC = re.compile(rb"[VA]_[A-Z0-9][A-Z0-9/_.]{1,30}")


def check_file(path: Path) -> None:
    """Raise DataError unless ``path`` is a file with something in it that can be read."""
    try:
        with open_regular(path) as file:
            if not file.read(1):
                raise DataError(str(path), "is empty")
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror})") from error


def why_not_opened(path: Path) -> str:
    """Return half a sentence on a file that was not opened as a video."""
    with open_regular(path) as file:
        head = file.read(_LOOKED_AT_BYTES)
        if head[4:8] in _FIRST_MP4_PARTS:
            index = _mp4_index(file)
            if index is None:
                return "is cut off or damaged: its index (moov) is missing; copy it again, whole"
            return _of_tracks(re.findall(rb"hdlr.{8}(vide|soun)", index, re.DOTALL), _mp4_codec(index))
    if head.startswith(b"\x1aE\xdf\xa3"):
        codecs = _MKV_CODEC.findall(head)
        named = next((codec for codec in codecs if codec.startswith(b"V")), b"")
        return _of_tracks([b"vide" if codec.startswith(b"V") else b"soun" for codec in codecs], named)
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        kinds = re.findall(rb"strh.{4}(vids|auds)(.{4})", head, re.DOTALL)
        named = next((codec for kind, codec in kinds if kind == b"vids"), b"")
        return _of_tracks([b"vide" if kind == b"vids" else b"soun" for kind, _ in kinds], named)
    return f"is no {FORMATS} file"


def _of_tracks(kinds: list[bytes], codec: bytes) -> str:
    if b"vide" in kinds:
        return (
            f"cannot be decoded: its pictures have the codec {codec.decode('ascii', 'replace')!r}, are damaged or "
            "missing; save it again as H.264"
        )
    sounds = counted(len(kinds), "track")
    return f"holds no pictures, only {sounds} of sound" if kinds else "holds no pictures"


def _mp4_index(file: BinaryIO) -> bytes | None:
    """Return the beginning of the part that lists tracks and frames; None if the file ends before it."""
    end, place = file.seek(0, 2), 0
    for _ in range(_MOST_PARTS):
        file.seek(place)
        header = file.read(16)
        if len(header) < 8:
            return None
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:
            length = end - place
        if header[4:8] == b"moov" and place + length <= end:
            file.seek(place)
            return file.read(min(length, _LOOKED_AT_BYTES))
        if length < 8:
            return None
        place += length
    return None


def _mp4_codec(index: bytes) -> bytes:
    """Return the four letters of the codec of the first track that has pictures."""
    _, _, track = index.partition(b"vide")
    _, _, described = track.partition(b"stsd")
    return described[12:16]

"""Decoded images in a file: pixels first, then what is known of them, then where that begins.

The name is a hash of all that the pixels follow from: every image's bytes, what is done to it, the decoder and this
format. The file is complete when it has its name, and its checksum is compared when it is opened; any file that does
not fit is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vision.data.cache.decoded_images import DecodedImages, Layout, decode_all
from vision.data.cache.transform_split import TransformSplit, describe
from vision.data.dataset import ImageDataset
from vision.files.atomic_file import atomic_file, remove_abandoned
from vision.files.steady_file import SteadyFile
from vision.files.write_error import WriteError, make_folder, writing
from vision.settings.errors import DataError, UserError
from vision.settings.strict_json import parse_json

log = logging.getLogger(__name__)

FORMAT = 2
_END = struct.Struct("<Q8s")
_MAGIC = b"VISIONDI"
_CHECKED_BYTES = 1 << 24
_LARGEST_TRAILER = 1 << 30


def open_or_make(dataset: ImageDataset, split: TransformSplit, layout: Layout, folder: Path) -> DecodedImages:
    """Return the decoded images from their file in ``folder``, which is made first where it is missing or does not fit.

    The pixels are mapped, not read. Raises UserError where the file cannot be written.
    """
    path = folder / f"{identity(dataset, split)}.decoded"
    try:
        make_folder(folder)
        with writing(path), _alone(path):
            found = _open(path, layout)
            if found is None:
                _make(path, layout, dataset, split)
                found = _open(path, layout)
    except WriteError as error:
        raise UserError(
            f"the decoded images ({layout.size / 1e9:.1f} GB) cannot be kept: {error}; set run.cache_folder to a "
            "folder with more room, or run.cache=none"
        ) from None
    assert found is not None, path
    return found


def identity(dataset: ImageDataset, split: TransformSplit) -> str:
    """Return the hash of all that the pixels follow from, in hexadecimal. Reads every image's bytes."""
    digest = hashlib.blake2b(digest_size=20)
    # Which images are too small follows from the crop.
    crop = "" if split.random_part is None else describe([split.random_part.crop])
    digest.update(f"{FORMAT} {split.name} {crop} {dataset.scales} OpenCV {cv2.__version__}".encode())
    for index in range(len(dataset)):
        try:
            encoded = dataset.reader[index].encoded
        except DataError as error:
            encoded = str(error).encode()
        digest.update(struct.pack("<Q", len(encoded)))
        digest.update(encoded)
    return digest.hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process of a machine work at a time; the others find its work done."""
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(path: Path, layout: Layout, dataset: ImageDataset, split: TransformSplit) -> None:
    # What a kill left may be as large as the file itself.
    for stray in remove_abandoned(path.parent, "*.decoded"):
        log.info("removed %s, which a killed run left unfinished", stray)
    with atomic_file(path) as file:
        # Room is taken now: a mapped file that finds none later ends the process.
        os.posix_fallocate(file.fileno(), 0, layout.size)
        pixels = np.memmap(file, np.uint8, "r+", shape=(layout.size,))
        kept = decode_all(dataset, split, layout, pixels)
        for index in kept.broken:
            kept[index][...] = 0
        pixels.flush()
        broken = {index: (error.key, error.reason) for index, error in kept.broken.items()}
        trailer = {"broken": broken, "checksum": _checksum(pixels)}
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(trailer).encode() + _END.pack(layout.size, _MAGIC))
        # Nobody has a reason to write to it any more, and who shortened it would end the runs that map it.
        os.fchmod(file.fileno(), os.fstat(file.fileno()).st_mode & 0o444)


def _open(path: Path, layout: Layout) -> DecodedImages | None:
    """Return what the file holds, or None if it is missing, cut off or damaged."""
    if not path.exists():
        return None
    file = SteadyFile(path, path.name)
    trailer = _read_trailer(file, layout.size)
    if trailer is not None:
        pixels = np.frombuffer(file.map(layout.size), np.uint8)
        if _checksum(pixels, file) == trailer.get("checksum"):
            return DecodedImages(pixels, layout, _broken_in(trailer["broken"]), file)
    log.warning("%s is damaged: decoding the images anew", path)
    return None


def _read_trailer(file: SteadyFile, size: int) -> dict[str, Any] | None:
    end = len(file) - _END.size
    if not size <= end <= size + _LARGEST_TRAILER or _END.unpack(file[end:]) != (size, _MAGIC):
        return None
    text = file[size:end]
    try:
        trailer = parse_json(text)
    except ValueError:
        return None
    fits = isinstance(trailer, dict) and isinstance(trailer.get("broken"), dict)
    return trailer if fits and all(_is_broken_image(*entry) for entry in trailer["broken"].items()) else None


def _is_broken_image(index: str, sentence: Any) -> bool:
    return index.isdigit() and isinstance(sentence, list) and [type(part) for part in sentence] == [str, str]


def _broken_in(told: dict[str, list[str]]) -> dict[int, DataError]:
    return {int(index): DataError(key, reason) for index, (key, reason) in told.items()}


def _checksum(pixels: np.ndarray, file: SteadyFile | None = None) -> int:
    value = 0
    for start in range(0, len(pixels), _CHECKED_BYTES):
        if file is not None:
            file.check()
        value = zlib.crc32(pixels[start : start + _CHECKED_BYTES].data, value)
    return value

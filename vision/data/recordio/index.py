"""Where each record of a .rec file starts: read from the .idx beside it, or found by scanning the file."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from vision.data.recordio.idx_file import read_idx
from vision.data.recordio.record import (
    CFLAG_SHIFT,
    FIRST,
    LAST,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    MIDDLE,
    PART_HEADER,
    WHOLE,
    BrokenRecordError,
    Sliceable,
    next_offset,
    record_key,
)
from vision.settings.errors import DataError

# 1 MiB: stays in the processor's cache.
_SCAN_WORDS = 1 << 18
# Records of an index that are compared with the file in one step.
_STEP_RECORDS = 1 << 16


@dataclass(frozen=True)
class RecordIndex:
    """Start of each record of one .rec file, in file order.

    ``offsets`` uint64 [N], bytes. ``keys`` uint32 or uint64 [N] as the .idx gives them; None when they are
    0..N-1 or when there is no .idx. ``source`` is the .idx that was read.
    """

    offsets: np.ndarray
    keys: np.ndarray | None
    source: Path | None


def open_index(rec_path: Path, buffer: Sliceable, name: str) -> RecordIndex:
    """Return the index of the .rec file whose bytes are ``buffer``. ``name`` stands for the file in messages."""
    idx_path = rec_path.with_suffix(".idx")
    if not idx_path.is_file():
        return RecordIndex(scan_offsets(rec_path, buffer, name), None, None)
    keys, offsets = read_idx(idx_path)
    if np.any(offsets[1:] < offsets[:-1]):
        order = np.argsort(offsets, kind="stable")
        offsets, keys = offsets[order], (order.astype(np.uint64) if keys is None else keys[order])
    _check_against_file(offsets, buffer, name, idx_path)
    return RecordIndex(offsets, keys, idx_path)


def stale_index_advice(idx_path: Path) -> str:
    """Return what to do about an index that does not fit its file."""
    return f"{idx_path.name} does not fit this file: delete {idx_path} so that the index is rebuilt"


def _check_against_file(offsets: np.ndarray, buffer: Sliceable, name: str, idx_path: Path) -> None:
    """Check that the index lists every record once: each begins where the one before ends."""
    advice = stale_index_advice(idx_path)
    size = len(buffer)
    if len(offsets) == 0:
        if size:
            raise DataError(name, f"the file has {size} bytes, but {idx_path.name} lists no record; {advice}")
        return

    def refuse(number: int, reason: str) -> NoReturn:
        raise DataError(record_key(name, number, int(offsets[number])), f"{reason}; {advice}")

    if offsets[-1] >= size:
        refuse(int(np.searchsorted(offsets, size)), f"the file ends at byte {size}")
    if int(np.bitwise_or.reduce(offsets)) & 3:
        refuse(int(np.flatnonzero(offsets & 3)[0]), "records start at multiples of 4")
    if offsets[0] != 0:
        refuse(0, f"{idx_path.name} lists it as the first, but a file's first record starts at byte 0")
    twice = np.flatnonzero(offsets[1:] == offsets[:-1])
    if twice.size:
        refuse(int(twice[0]) + 1, f"{idx_path.name} lists it twice")
    last = len(offsets) - 1
    try:
        end = next_offset(buffer, int(offsets[last]))
    except BrokenRecordError as problem:
        refuse(last, f"{problem}; if the file is whole")
    if end != size:
        refuse(last, f"{idx_path.name} lists it as the last, but the file goes on from byte {end} to {size}")
    gap = _first_gap(offsets, buffer)
    if gap is not None:
        number, end = gap
        refuse(number, f"it ends at byte {end}, but {idx_path.name} lists the next at byte {offsets[number + 1]}")


def _first_gap(offsets: np.ndarray, buffer: Sliceable) -> tuple[int, int] | None:
    """Return (number, end) of the first record that does not end where the next begins, or None.

    A record that is broken itself has no end. Whoever reads it finds that, and can go on with the others.
    """
    size = PART_HEADER.size
    for first in range(0, len(offsets) - 1, _STEP_RECORDS):
        starts, nexts = offsets[first : first + _STEP_RECORDS], offsets[first + 1 : first + _STEP_RECORDS + 1]
        starts = starts[: len(nexts)]
        headers = b"".join(bytes(buffer[start : start + size]).ljust(size, b"\0") for start in starts.tolist())
        magics, lengths = np.frombuffer(headers, "<u4").reshape(-1, 2).T
        whole = (magics == MAGIC) & (lengths <= MAX_PAYLOAD_BYTES)
        ends = starts + np.uint64(PART_HEADER.size) + ((lengths.astype(np.uint64) + np.uint64(3)) & ~np.uint64(3))
        for place in np.flatnonzero(~(whole & (ends == nexts))).tolist():
            try:
                end = next_offset(buffer, int(starts[place]))
            except BrokenRecordError:
                continue
            if end != int(nexts[place]):
                return first + place, end
    return None


def scan_offsets(path: Path, buffer: Sliceable, name: str) -> np.ndarray:
    """Find the records of a .rec file by its magics, uint64 [N].

    A writer never leaves the magic at a multiple of 4 inside a payload, so all magics are part headers. The
    chain of lengths is checked nevertheless; where it does not hold, the file is walked record by record.
    """
    with path.open("rb") as file:
        offsets = _scan_magics(file, len(buffer))
    return _walk_chain(buffer, name) if offsets is None else offsets


def _scan_magics(file: BinaryIO, size: int) -> np.ndarray | None:
    """Return the offsets of all records, or None if magics and lengths do not form one chain through the whole file."""
    offsets: array[int] = array("Q")
    expected, inside = 0, False
    for start in range(0, size, 4 * _SCAN_WORDS):
        # One word more than is searched, because the length follows the magic.
        file.seek(start)
        words = np.fromfile(file, "<u4", _SCAN_WORDS + 1)
        at = np.flatnonzero(words[:_SCAN_WORDS] == MAGIC)
        if at.size == 0:
            continue
        if at[-1] + 1 == words.size:
            return None
        lrec = words[at + 1].astype(np.int64)
        cflag = lrec >> CFLAG_SHIFT
        positions = start + 4 * at
        ends = positions + 8 + (((lrec & MAX_PAYLOAD_BYTES) + 3) & ~3)
        opens = (cflag == WHOLE) | (cflag == FIRST)
        continues = (cflag == FIRST) | (cflag == MIDDLE)
        inside_before = np.concatenate(([inside], continues[:-1]))
        chained = positions[0] == expected and np.array_equal(positions[1:], ends[:-1])
        if not chained or cflag.max() > LAST or np.any(opens == inside_before):
            return None
        offsets.frombytes(positions[opens].astype(np.uint64).tobytes())
        expected, inside = int(ends[-1]), bool(continues[-1])
    return np.frombuffer(offsets, np.uint64) if expected == size and not inside else None


def _walk_chain(buffer: Sliceable, name: str) -> np.ndarray:
    """Follow the lengths from record to record; says where a damaged file breaks."""
    offsets: array[int] = array("Q")
    offset = 0
    while offset < len(buffer):
        try:
            end = next_offset(buffer, offset)
        except BrokenRecordError as problem:
            raise DataError(record_key(name, len(offsets), offset), str(problem)) from None
        offsets.append(offset)
        offset = end
    return np.frombuffer(offsets, np.uint64)

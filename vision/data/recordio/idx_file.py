"""The .idx text file beside a .rec file: one line ``key TAB byte offset`` for each record, in any order."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

# Small enough to stay in the processor's cache, large enough that numpy's overhead per call does not count.
_TEXT_BYTES = 1 << 20
_LARGEST = np.iinfo(np.uint64).max
_DIGITS_AND_SPACE = b"0123456789\t\n\r "


def read_idx(path: Path) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the keys (uint32 or uint64 [N]; None if they are 0..N-1) and offsets (uint64 [N]), in the file's order."""
    # ``array`` grows in place, where collecting and joining numpy arrays would need the memory twice.
    keys: array[int] | None = None
    offsets: array[int] = array("Q")
    line = 1
    with open_regular(path) as file:
        while chunk := file.read(_TEXT_BYTES):
            chunk += file.readline(_TEXT_BYTES)
            # Faster than ``bytes.count`` where a line is so short.
            ends = int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == ord("\n")))
            pairs = _parse_pairs(chunk, ends + (not chunk.endswith(b"\n")), path.name, line)
            numbers = np.arange(len(offsets), len(offsets) + len(pairs), dtype=np.uint64)
            if keys is None and not np.array_equal(pairs[:, 0], numbers):
                keys = array("I", range(len(offsets)))
            if keys is not None:
                if keys.typecode == "I" and pairs[:, 0].max(initial=0) >= 1 << 32:
                    keys = array("Q", keys)
                keys.frombytes(pairs[:, 0].astype(f"u{keys.itemsize}").tobytes())
            offsets.frombytes(pairs[:, 1].tobytes())
            line += ends
    narrow = None if keys is None else np.frombuffer(keys, f"u{keys.itemsize}")
    return narrow, np.frombuffer(offsets, np.uint64)


def _parse_pairs(text: bytes, lines: int, name: str, first_line: int) -> np.ndarray:
    """That many lines of ``key TAB offset`` as uint64 [N, 2]."""
    if not text.translate(None, _DIGITS_AND_SPACE) and not text.isspace():
        values = np.fromstring(text, np.uint64, sep=" ")
        # numpy turns a number beyond 64 bits into the largest.
        if values.size == 2 * lines and values.max() < _LARGEST:
            return values.reshape(-1, 2)
    pairs = []
    for number, row in enumerate(text.splitlines(), start=first_line):
        fields = row.split()
        if len(fields) == 2 and all(map(_is_uint64, fields)):
            pairs.append([int(field) for field in fields])
        elif fields:
            shown = row[:60].decode("utf-8", "backslashreplace")
            reason = f"expected a record key and a byte offset, found {shown!r}; delete {name} to have it rebuilt"
            raise DataError(f"{name} line {number}", reason)
    return np.array(pairs, np.uint64).reshape(-1, 2)


def _is_uint64(field: bytes) -> bool:
    return field.isdigit() and len(field) <= 20 and int(field) < 1 << 64

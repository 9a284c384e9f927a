"""MXNet RecordIO: the framing of records and the header of image records, byte for byte.

Legend: *payload* = one logical record; *part* = what follows one magic on disk (a payload with the magic at a
multiple of 4 bytes is split there); *cflag* = place of a part in its record; *lrec* = cflag and length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np

from vision.settings.errors import DataError

MAGIC = 0xCED7230A
MAGIC_BYTES = MAGIC.to_bytes(4, "little")
CFLAG_SHIFT = 29
MAX_PAYLOAD_BYTES = (1 << CFLAG_SHIFT) - 1
WHOLE, FIRST, MIDDLE, LAST = range(4)

PART_HEADER = struct.Struct("<II")
IMAGE_HEADER = struct.Struct("<IfQQ")
# One read from a pipe: bounds what a lying length field can make us allocate ahead of the data.
_READ_BYTES = 1 << 20


class Sliceable(Protocol):
    """The bytes of a file: in memory, or read as they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes | memoryview: ...


class BrokenRecordError(ValueError):
    """What is wrong with a record. Whoever knows its file and number turns this into a DataError."""


class ImageRecord(NamedTuple):
    """An image record taken apart; ``pack(*record)`` gives its payload back.

    ``label`` is a number in the scalar form, float32 [W] in the vector form. ``encoded`` views the payload.
    """

    label: float | np.ndarray
    record_id: int
    encoded: memoryview
    id2: int


def pack(
    label: float | Sequence[float] | np.ndarray, record_id: int, encoded: bytes | memoryview, id2: int = 0
) -> bytes:
    """Return the payload of an image record. A number gives the scalar form, a sequence the vector form."""
    if isinstance(label, int | float | np.number):
        return b"".join((IMAGE_HEADER.pack(0, float(label), record_id, id2), encoded))
    labels = np.asarray(label, dtype="<f4").reshape(-1)
    if labels.size == 0:
        raise DataError(f"record {record_id}", "the label vector is empty, but a record needs at least one label")
    return b"".join((IMAGE_HEADER.pack(labels.size, 0.0, record_id, id2), labels.tobytes(), encoded))


def unpack(payload: bytes | memoryview, key: str) -> ImageRecord:
    """Take the payload of an image record apart. ``key`` names it in errors."""
    view = memoryview(payload)
    try:
        label_start, label_stop, encoded_start, record_id = image_layout(view)
    except BrokenRecordError as problem:
        raise DataError(key, str(problem)) from None
    flag, scalar, _, id2 = IMAGE_HEADER.unpack_from(view)
    label = np.frombuffer(view[label_start:label_stop], "<f4").copy() if flag else scalar
    return ImageRecord(label, record_id, view[encoded_start:], id2)


def image_layout(payload: memoryview) -> tuple[int, int, int, int]:
    """Return where things are in the payload of an image record: labels from, labels to, image from; and its id."""
    if len(payload) < IMAGE_HEADER.size:
        raise BrokenRecordError(
            f"the payload has {len(payload)} bytes, but an image record begins with a header of "
            f"{IMAGE_HEADER.size} bytes (flag, label, id, id2)"
        )
    flag, _, record_id, _ = IMAGE_HEADER.unpack_from(payload)
    if flag == 0:
        return 4, 8, IMAGE_HEADER.size, record_id
    label_stop = IMAGE_HEADER.size + 4 * flag
    if label_stop > len(payload):
        raise BrokenRecordError(
            f"the header announces {flag} labels ({4 * flag} bytes), "
            f"but only {len(payload) - IMAGE_HEADER.size} bytes follow it"
        )
    return IMAGE_HEADER.size, label_stop, label_stop, record_id


def padded(length: int) -> int:
    """Return the bytes that ``length`` bytes of data take on disk."""
    return (length + 3) & ~3


def check_part(header: tuple[int, int], inside: bool) -> tuple[int, int]:
    """Check a part header and give (cflag, length). ``inside``: a record has begun and needs more parts."""
    magic, lrec = header
    if magic != MAGIC:
        raise BrokenRecordError(
            f"expected the record magic {MAGIC_BYTES.hex(' ')}, found {magic.to_bytes(4, 'little').hex(' ')}"
        )
    cflag = lrec >> CFLAG_SHIFT
    if cflag not in ((MIDDLE, LAST) if inside else (WHOLE, FIRST)):
        allowed = (
            "a further part of the split record (cflag 2 or 3)" if inside else "the start of a record (cflag 0 or 1)"
        )
        raise BrokenRecordError(f"expected {allowed}, found cflag {cflag}")
    return cflag, lrec & MAX_PAYLOAD_BYTES


def iter_parts(buffer: Sliceable, offset: int) -> Iterator[tuple[int, int]]:
    """Yield the bounds of the data of each part of the record whose first part header is at ``offset``.

    The next record starts at the last bound, padded to a multiple of 4.
    """
    cflag, total, size = WHOLE, 0, len(buffer)
    while True:
        start = offset + PART_HEADER.size
        if start > size:
            raise BrokenRecordError(_no_header(offset, "file", size))
        cflag, length = check_part(PART_HEADER.unpack(buffer[offset:start]), inside=cflag != WHOLE)
        total += length + len(MAGIC_BYTES) * (cflag in (MIDDLE, LAST))
        _check_total(total)
        offset = start + padded(length)
        if offset > size:
            raise BrokenRecordError(_no_data(length, start, "file", size))
        yield start, start + length
        if cflag in (WHOLE, LAST):
            return


def next_offset(buffer: Sliceable, offset: int) -> int:
    """Return where the record at ``offset`` ends and the next begins."""
    for _, stop in iter_parts(buffer, offset):
        last_stop = stop
    return padded(last_stop)


def join_parts(buffer: Sliceable, offset: int) -> memoryview:
    """Return the payload of the split record at ``offset``: its parts with the magics put back between them."""
    payload = bytearray()
    for number, (start, stop) in enumerate(iter_parts(buffer, offset)):
        if number:
            payload += MAGIC_BYTES
        payload += buffer[start:stop]
    return memoryview(payload).toreadonly()


def iter_records(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the payloads of a stream that cannot seek, such as a pipe. Holds one record; errors as for a file."""
    offset, number = 0, 0
    while header := _read(stream, PART_HEADER.size):
        try:
            payload, next_offset = _read_record(stream, header, offset)
        except BrokenRecordError as problem:
            raise DataError(record_key(name, number, offset), str(problem)) from None
        yield payload
        offset, number = next_offset, number + 1


def _read_record(stream: BinaryIO, header: bytes, offset: int) -> tuple[bytes, int]:
    """Return the record whose first part header has just been read, and the offset of the next."""
    payload, cflag = bytearray(), WHOLE
    while True:
        if len(header) < PART_HEADER.size:
            raise BrokenRecordError(_no_header(offset, "stream", offset + len(header)))
        cflag, length = check_part(PART_HEADER.unpack(header), inside=cflag != WHOLE)
        if cflag in (MIDDLE, LAST):
            payload += MAGIC_BYTES
        _check_total(len(payload) + length)
        start = offset + PART_HEADER.size
        data = _read(stream, padded(length))
        if len(data) < padded(length):
            raise BrokenRecordError(_no_data(length, start, "stream", start + len(data)))
        payload += memoryview(data)[:length]
        offset = start + padded(length)
        if cflag in (WHOLE, LAST):
            return bytes(payload), offset
        header = _read(stream, PART_HEADER.size)


def record_key(name: str, number: int, offset: int, record_id: int | None = None) -> str:
    """Return the name of a record in messages, such as ``train.rec record 17 (id 42) at byte 4096``."""
    identity = "" if record_id is None else f" (id {record_id})"
    return f"{name} record {number}{identity} at byte {offset}"


def _check_total(payload_bytes: int) -> None:
    """Refuse a record of many parts that grows beyond what a writer can have put into it."""
    if payload_bytes > MAX_PAYLOAD_BYTES:
        raise BrokenRecordError(f"its parts exceed {MAX_PAYLOAD_BYTES} bytes, the most that a record can hold")


def _no_header(offset: int, where: str, end: int) -> str:
    return f"expected a part header of 8 bytes at byte {offset}, but the {where} ends at byte {end}"


def _no_data(length: int, start: int, where: str, end: int) -> str:
    return f"a part of {length} bytes starts at byte {start}, but the {where} ends at byte {end}"


def _read(stream: BinaryIO, count: int) -> bytes:
    """Read ``count`` bytes, fewer only at the end of the stream."""
    first = stream.read(min(count, _READ_BYTES))
    if len(first) == count or not first:
        return first
    data = bytearray(first)
    while len(data) < count and (more := stream.read(min(count - len(data), _READ_BYTES))):
        data += more
    return bytes(data)

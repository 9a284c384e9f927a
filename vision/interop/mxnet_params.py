"""The .params files of MXNet: named arrays, read without mxnet and written as MXNet 1.9 writes them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vision.files.atomic_file import atomic_file
from vision.files.steady_file import SteadyFile
from vision.interop.mxnet_ndarray import Cursor, ndarray_bytes, read_ndarray
from vision.settings.errors import DataError

LIST_MAGIC = 0x112
# ResNet-200 has about 1,500. Bounds the objects that a file of empty arrays can make.
MAX_ARRAYS = 100_000
MAX_NAME_BYTES = 1024


def read_params(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays of a .params file by their names in it, such as ``arg:fc1_weight`` and ``aux:bn0_moving_mean``."""
    path = Path(path)
    return parse_params(SteadyFile(path, path.name), path.name)


def parse_params(buffer: bytes | memoryview | SteadyFile, name: str) -> dict[str, np.ndarray]:
    """The same from bytes; the arrays own their memory. Arrays without names are called "0", "1", ...

    ``name`` stands for the file in errors. Takes memory for at most twice the bytes given (bfloat16 becomes
    float32), and for sparse arrays mxnet_ndarray.MAX_DENSE_BYTES more.
    """
    cursor = Cursor(buffer, name, "header")
    if bytes(cursor.buffer[:4]) == b"PK\x03\x04":
        raise DataError(name, "is a NumPy archive as MXNet 2 writes; load it there and save it with mx.nd.save")
    magic = cursor.number("Q", "list magic") if len(buffer) >= 8 else None
    if magic != LIST_MAGIC:
        raise DataError(
            name,
            f"is not a .params file of MXNet, which starts with the bytes {LIST_MAGIC.to_bytes(8, 'little').hex(' ')}",
        )
    cursor.number("Q", "reserved field")
    count = _count(cursor, "arrays")
    arrays = []
    for index in range(count):
        cursor.what = f"array {index}"
        arrays.append(read_ndarray(cursor))
    cursor.what = "list of names"
    named = _count(cursor, "names")
    if named not in (0, count):
        raise cursor.error(f"expected a name for each of the {count} arrays or none at all, found {named}")
    names = [_name(cursor) for _ in range(named)] or [str(index) for index in range(count)]
    if cursor.offset != len(buffer):
        raise cursor.error(f"expected the end of the file, but {len(buffer) - cursor.offset} bytes follow")
    if len(set(names)) != count:
        repeated = Counter(names).most_common(1)[0][0]
        raise cursor.error(f"the name {repeated!r} occurs more than once")
    return dict(zip(names, arrays, strict=True))


def write_params(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named dense arrays of at least one dimension, so that MXNet 0.12 to 1.9 load them; all or nothing."""
    path = Path(path)
    with atomic_file(path) as file:
        file.write(struct.pack("<QQQ", LIST_MAGIC, 0, len(arrays)))
        for array in arrays.values():
            file.writelines(ndarray_bytes(array))
        file.write(struct.pack("<Q", len(arrays)))
        for name in arrays:
            encoded = name.encode()
            file.write(struct.pack("<Q", len(encoded)) + encoded)


def _count(cursor: Cursor, what: str) -> int:
    count = cursor.number("Q", f"number of {what}")
    if count > MAX_ARRAYS:
        raise cursor.error(f"the file announces {count} {what}, but at most {MAX_ARRAYS} are read")
    return count


def _name(cursor: Cursor) -> str:
    length = cursor.number("Q", "length of a name")
    if length > MAX_NAME_BYTES:
        raise cursor.error(f"the file announces a name of {length} bytes, but at most {MAX_NAME_BYTES} are read")
    try:
        return str(cursor.take(length, "a name"), "utf-8")
    except UnicodeDecodeError:
        raise cursor.error("a name is not UTF-8 text") from None

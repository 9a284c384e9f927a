"""The .params files of MXNet: named arrays, read without mxnet in every layout from 0.10 to 1.9, written as by 1.9.

The bytes are untrusted: a length is compared with what is left of the file before anything is allocated. Only a sparse
array can be larger in memory than on disk; MAX_DENSE_BYTES bounds these.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.files.atomic_file import atomic_file
from vision.files.steady_file import SteadyFile
from vision.settings.errors import DataError

LIST_MAGIC = 0x112
# ResNet-200 has about 1,500. Bounds the objects that a file of empty arrays can make.
MAX_ARRAYS = 100_000
MAX_NAME_BYTES = 1024
V1_MAGIC, V2_MAGIC, V3_MAGIC = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DENSE, ROW_SPARSE, CSR = range(3)
BFLOAT16 = 12
# dtype flags of mshadow; bfloat16 is read as its bit pattern and widened to float32.
DTYPES = {
    flag: np.dtype(name)
    for flag, name in enumerate(["<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?", "<i2", "<u2", "<u4", "<u8", "<u2"])
}
MAX_DIMENSIONS = 32
# The largest array of these networks, VGG-16's first dense layer, has 411 MB.
MAX_DENSE_BYTES = 1 << 30


def read_params(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of a .params file by their names, such as ``arg:fc1_weight`` and ``aux:bn0_moving_mean``."""
    path = Path(path)
    return parse_params(SteadyFile(path, path.name), path.name)


def parse_params(buffer: bytes | memoryview | SteadyFile, name: str) -> dict[str, np.ndarray]:
    """Return the arrays by name from the bytes of a file, in memory of their own; those without names are "0", "1", ...

    ``name`` stands for the file in errors. Takes memory for at most twice the bytes given (bfloat16 becomes
    float32), and for sparse arrays MAX_DENSE_BYTES more.
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


@dataclass
class Cursor:
    """A position in a file of bytes that never moves beyond its end. ``what`` names the array being read."""

    buffer: bytes | memoryview | SteadyFile
    name: str
    what: str
    offset: int = 0
    dense_bytes: int = 0

    def error(self, reason: str) -> DataError:
        return DataError(f"{self.name} {self.what} at byte {self.offset}", reason)

    def take(self, count: int, meaning: str) -> bytes | memoryview:
        left = len(self.buffer) - self.offset
        if count > left:
            raise self.error(f"expected {count} bytes of {meaning}, but {left} are left in the file")
        self.offset += count
        return self.buffer[self.offset - count : self.offset]

    def number(self, code: str, meaning: str) -> int:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code), meaning))[0]


def read_ndarray(cursor: Cursor) -> np.ndarray:
    """Return the array at the cursor, in its own memory. Sparse ones become dense, bfloat16 float32.

    An array that was declared but never filled is given as float32 [0].
    """
    head = cursor.number("I", "format version")
    if head in (V2_MAGIC, V3_MAGIC):
        return _read_v2(cursor, none_ndim=0 if head == V2_MAGIC else -1)
    if head == V1_MAGIC:
        shape = _shape(cursor, cursor.number("I", "number of dimensions"), "q")
    else:
        shape = _shape(cursor, head, "I")
    if not shape:
        return np.empty(0, np.float32)
    return _data(cursor, shape, _dtype_flag_after_context(cursor))


def ndarray_bytes(array: np.ndarray) -> tuple[bytes, bytes]:
    """Header and data of a dense V2 blob on device cpu(0), as MXNet 0.12 to 1.9 write it."""
    flag = next((flag for flag, dtype in DTYPES.items() if dtype == array.dtype), None)
    assert flag is not None, f"MXNet has no dtype {array.dtype}"
    assert array.ndim > 0, "in V2 an array of 0 dimensions means: no array"
    header = struct.pack(f"<Iii{array.ndim}qiii", V2_MAGIC, DENSE, array.ndim, *array.shape, 1, 0, flag)
    return header, np.ascontiguousarray(array, DTYPES[flag]).tobytes()


def _read_v2(cursor: Cursor, none_ndim: int) -> np.ndarray:
    storage = cursor.number("i", "storage type")
    if storage not in (DENSE, ROW_SPARSE, CSR):
        raise cursor.error(f"expected storage type 0 (dense), 1 (row_sparse) or 2 (csr), found {storage}")
    stored_shape = None
    if storage != DENSE:
        stored_shape = _shape(cursor, cursor.number("i", "number of dimensions"), "q")
    ndim = cursor.number("i", "number of dimensions")
    if ndim == none_ndim:
        return np.empty(0, np.float32)
    shape = _shape(cursor, ndim, "q")
    flag = _dtype_flag_after_context(cursor)
    if stored_shape is None:
        return _data(cursor, shape, flag)
    heads = []
    for _ in range(1 if storage == ROW_SPARSE else 2):
        index_flag = _checked_flag(cursor, cursor.number("i", "dtype of indices"))
        heads.append((_shape(cursor, cursor.number("i", "number of dimensions"), "q"), index_flag))
    values = _data(cursor, stored_shape, flag)
    indices = [_data(cursor, index_shape, index_flag) for index_shape, index_flag in heads]
    if any(index.ndim != 1 or index.dtype.kind not in "iu" for index in indices):
        raise cursor.error("the indices of a sparse array are not a vector of integers")
    cursor.dense_bytes += math.prod(shape) * values.itemsize
    if cursor.dense_bytes > MAX_DENSE_BYTES:
        raise cursor.error(f"its sparse arrays would take more than {MAX_DENSE_BYTES} bytes of memory when made dense")
    return (
        _from_rows(cursor, shape, values, *indices)
        if storage == ROW_SPARSE
        else _from_csr(cursor, shape, values, *indices)
    )


def _shape(cursor: Cursor, ndim: int, code: str) -> tuple[int, ...]:
    if not 0 <= ndim <= MAX_DIMENSIONS:
        raise cursor.error(f"expected a format version of MXNet or 0 to {MAX_DIMENSIONS} dimensions, found {ndim}")
    shape = struct.unpack(f"<{ndim}{code}", cursor.take(ndim * struct.calcsize("<" + code), "dimensions"))
    # The product of the others matters too when one is 0: numpy refuses what it could not address.
    if min(shape, default=0) < 0 or math.prod(max(size, 1) for size in shape) >= 1 << 59:
        raise cursor.error(f"{shape} is not a shape that an array can have")
    return shape


def _dtype_flag_after_context(cursor: Cursor) -> int:
    cursor.take(8, "device")
    return _checked_flag(cursor, cursor.number("i", "dtype"))


def _checked_flag(cursor: Cursor, flag: int) -> int:
    if flag not in DTYPES:
        raise cursor.error(f"expected a dtype flag of MXNet from 0 to {max(DTYPES)}, found {flag}")
    return flag


def _data(cursor: Cursor, shape: tuple[int, ...], flag: int) -> np.ndarray:
    dtype = DTYPES[flag]
    raw = cursor.take(math.prod(shape) * dtype.itemsize, f"data for shape {shape}")
    if flag == BFLOAT16:
        return (np.frombuffer(raw, dtype).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if dtype.kind == "b":
        return (np.frombuffer(raw, np.uint8) != 0).reshape(shape)
    return np.frombuffer(raw, dtype).reshape(shape).copy()


def _from_rows(cursor: Cursor, shape: tuple[int, ...], rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    fits = rows.ndim == len(shape) > 0 and rows.shape[1:] == shape[1:] and len(rows) == len(places)
    if not fits or np.any(places < 0) or np.any(places >= shape[0]):
        raise cursor.error(f"rows of shape {rows.shape} at {len(places)} places do not fit into shape {shape}")
    dense = np.zeros(shape, rows.dtype)
    dense[places] = rows
    return dense


def _from_csr(
    cursor: Cursor, shape: tuple[int, ...], values: np.ndarray, row_ends: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """``row_ends`` [rows + 1] says where in ``values`` each row begins, ``columns`` where each value belongs."""
    fits = len(shape) == 2 and values.shape == columns.shape and len(row_ends) == shape[0] + 1
    fits = fits and row_ends[0] == 0 and row_ends[-1] == len(values) and bool(np.all(row_ends[1:] >= row_ends[:-1]))
    if not fits or np.any(columns < 0) or np.any(columns >= shape[1]):
        raise cursor.error(f"{len(values)} values in {len(row_ends) - 1} compressed rows do not fit into shape {shape}")
    counts = row_ends[1:] - row_ends[:-1]
    dense = np.zeros(shape, values.dtype)
    dense[np.repeat(np.arange(shape[0]), counts.astype(np.int64)), columns] = values
    return dense

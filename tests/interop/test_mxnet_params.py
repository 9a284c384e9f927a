from __future__ import annotations

import contextlib
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.interop.mxnet_params import parse_params, read_params, write_params
from vision.settings.errors import DataError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mxnet"
GROUND_TRUTH = json.loads((FIXTURES / "EXPECTED.json").read_text())
EXPECTED, CHECKPOINTS = GROUND_TRUTH["params"], GROUND_TRUTH["model_params"]

# mxnet-facts 8.2, as mxnet 1.9.1 wrote it.
DUMP = bytes.fromhex(
    "1201000000000000 0000000000000000 0200000000000000"
    "c9fa93f9 00000000 02000000 0200000000000000 0300000000000000 01000000 00000000 00000000"
    "00000000 0000803f 00000040 00004040 00008040 0000a040"
    "c9fa93f9 00000000 01000000 0200000000000000 01000000 00000000 02000000 003c 00c0"
    "0200000000000000 0e00000000000000 6172673a6663315f776569676874"
    "1200000000000000 6175783a626e5f6d6f76696e675f6d65616e"
)


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def container(*blobs: bytes, names: tuple[str, ...] | None = None) -> bytes:
    names = tuple(f"n{i}" for i in range(len(blobs))) if names is None else names
    encoded = b"".join(struct.pack("<Q", len(name)) + name.encode() for name in names)
    head = struct.pack("<QQQ", 0x112, 0, len(blobs))
    return head + b"".join(blobs) + struct.pack("<Q", len(names)) + encoded


def dense(shape: tuple[int, ...], flag: int, data: bytes, magic: int = 0xF993FAC9) -> bytes:
    return struct.pack(f"<Iii{len(shape)}qiii", magic, 0, len(shape), *shape, 1, 0, flag) + data


@pytest.mark.parametrize("name", list(EXPECTED))
def test_reads_every_format_that_mxnet_writes(name: str) -> None:
    arrays = read_params(FIXTURES / f"{name}.params")
    expected = EXPECTED[name]["arrays"]
    assert list(arrays) == [array["name"] for array in expected]
    for array in expected:
        got = arrays[array["name"]]
        assert (list(got.shape), str(got.dtype)) == (array["shape"], array["dtype"])
        assert sha256(got) == array["sha256_raw_le_bytes"]
        assert got.flags.writeable
        assert got.flags.aligned


@pytest.mark.parametrize("folder", list(CHECKPOINTS))
def test_reads_and_rewrites_checkpoints(folder: str, tmp_path: Path) -> None:
    expected = CHECKPOINTS[folder]
    arrays = read_params(FIXTURES / folder / expected["params_file"])
    assert {name: (list(array.shape), str(array.dtype), sha256(array)) for name, array in arrays.items()} == {
        name: (array["shape"], array["dtype"], array["sha256_raw_le_bytes"])
        for name, array in expected["arrays"].items()
    }
    write_params(tmp_path / "copy.params", arrays)
    assert hashlib.sha256((tmp_path / "copy.params").read_bytes()).hexdigest() == expected["sha256"]
    assert [path.name for path in tmp_path.iterdir()] == ["copy.params"]


def test_writes_what_mxnet_writes(tmp_path: Path) -> None:
    write_params(
        tmp_path / "dump.params",
        {
            "arg:fc1_weight": np.arange(6, dtype=np.float32).reshape(2, 3),
            "aux:bn_moving_mean": np.array([1, -2], np.float16),
        },
    )
    assert (tmp_path / "dump.params").read_bytes() == DUMP
    write_params(tmp_path / "all.params", read_params(FIXTURES / "params_v2.params"))
    digest = hashlib.sha256((tmp_path / "all.params").read_bytes()).hexdigest()
    assert digest == EXPECTED["params_v2"]["file_sha256"]


@pytest.mark.parametrize(
    ("flag", "data", "values"),
    [
        (7, b"\x00\x01\x02", [False, True, True]),
        (8, struct.pack("<3h", -5, 0, 7), [-5, 0, 7]),
        (9, struct.pack("<3H", 5, 0, 65535), [5, 0, 65535]),
        (10, struct.pack("<3I", 5, 0, 2**32 - 1), [5, 0, 2**32 - 1]),
        (11, struct.pack("<3Q", 5, 0, 2**64 - 1), [5, 0, 2**64 - 1]),
        # bfloat16 is the upper half of float32.
        (12, bytes.fromhex("803f 20c0 007f"), [1.0, -2.5, struct.unpack("<f", bytes.fromhex("0000007f"))[0]]),
    ],
)
def test_rare_dtypes(flag: int, data: bytes, values: list[Any]) -> None:
    array = parse_params(container(dense((3,), flag, data)), "file")["n0"]
    assert array.tolist() == values
    assert flag != 12 or array.dtype == np.float32


@pytest.mark.parametrize(
    ("blob", "shape"),
    [
        (struct.pack("<Iii", 0xF993FAC9, 0, 0), (0,)),
        (struct.pack("<Iii", 0xF993FACA, 0, -1), (0,)),
        (struct.pack("<II", 0xF993FAC8, 0), (0,)),
        (struct.pack("<I", 0), (0,)),
        (dense((), 0, struct.pack("<f", 3.5), magic=0xF993FACA), ()),
    ],
)
def test_arrays_without_dimensions(blob: bytes, shape: tuple[int, ...]) -> None:
    arrays = parse_params(container(blob, dense((1,), 0, bytes(4))), "file")
    assert (arrays["n0"].shape, arrays["n1"].shape) == (shape, (1,))


def sparse(kind: int, stored: tuple[int, ...], shape: tuple[int, ...], *indices: list[int]) -> bytes:
    heads = b"".join(struct.pack("<iiq", 6, 1, len(index)) for index in indices)
    places = b"".join(struct.pack(f"<{len(index)}q", *index) for index in indices)
    dims = struct.pack(f"<i{len(stored)}q", len(stored), *stored) + struct.pack(f"<i{len(shape)}q", len(shape), *shape)
    values = np.arange(1, 1 + np.prod(stored), dtype=np.float32).tobytes()
    return struct.pack("<Ii", 0xF993FAC9, kind) + dims + struct.pack("<iii", 1, 0, 0) + heads + values + places


def test_sparse_arrays_become_dense() -> None:
    rows, csr = sparse(1, (2, 2), (3, 2), [2, 0]), sparse(2, (3,), (2, 3), [0, 1, 3], [1, 0, 2])
    arrays = parse_params(container(rows, csr), "file")
    assert arrays["n0"].tolist() == [[3, 4], [0, 0], [1, 2]]
    assert arrays["n1"].tolist() == [[0, 1, 0], [2, 0, 3]]


BIG = 2**62
REFUSED = [
    ("empty", b"", r"^file: is not a .params file"),
    ("another format", b"PK\x03\x04 and so on", r"^file: is a NumPy archive"),
    ("another magic", bytes(24), r"is not a .params file of MXNet, which starts with the bytes 12 01 00"),
    ("header cut off", DUMP[:20], r"file header at byte 16: expected 8 bytes of number of arrays, but 4 are left"),
    ("data cut off", DUMP[:0x50], r"file array 0 at byte 64: expected 24 bytes of data for shape \(2, 3\), but 16"),
    ("names cut off", DUMP[:-1], r"list of names at byte 162: expected 18 bytes of a name, but 17"),
    ("bytes after the end", DUMP + b"x", r"expected the end of the file, but 1 bytes follow"),
    ("too many arrays", struct.pack("<QQQ", 0x112, 0, 2**63), r"announces 9223372036854775808 arrays"),
    ("huge array", container(dense((2**40,), 0, b"")), r"array 0 .*expected 4398046511104 bytes"),
    ("product overflows", container(dense((BIG, 4), 0, b"")), r"is not a shape"),
    ("product hidden by a zero", container(dense((0, BIG, 4), 0, b"")), r"is not a shape"),
    ("negative dimension", container(dense((-1, 4), 0, b"")), r"\(-1, 4\) is not a shape"),
    ("many dimensions", container(struct.pack("<I", 33)), r"or 0 to 32 dimensions, found 33"),
    ("unknown dtype", container(dense((1,), 13, bytes(4))), r"dtype flag of MXNet from 0 to 12, found 13"),
    ("unknown storage", container(struct.pack("<Ii", 0xF993FAC9, 7)), r"expected storage type 0 .*found 7"),
    ("fewer names", container(dense((1,), 0, bytes(4)), dense((1,), 0, bytes(4)), names=("a",)), r"each of the 2"),
    ("name twice", container(*[dense((1,), 0, bytes(4))] * 2, names=("a", "a")), r"'a' occurs more than once"),
    ("name not text", container(dense((1,), 0, bytes(4)), names=("a",))[:-1] + b"\xff", r"not UTF-8"),
    ("long name", container(dense((1,), 0, bytes(4)), names=("a" * 1025,)), r"a name of 1025 bytes"),
    ("row outside", container(sparse(1, (1, 2), (3, 2), [3])), r"rows of shape \(1, 2\)"),
    ("row negative", container(sparse(1, (1, 2), (3, 2), [-1])), r"rows of shape \(1, 2\)"),
    ("rows of another width", container(sparse(1, (1, 3), (3, 2), [0])), r"do not fit into shape \(3, 2\)"),
    ("huge when dense", container(sparse(1, (1, 2), (2**40, 2), [0])), r"more than 1073741824 bytes"),
    ("huge together", container(*[sparse(1, (1, 2), (2**26, 2), [0])] * 3), r"array 2 .*more than 1073741824"),
    ("csr rows go back", container(sparse(2, (2,), (2, 3), [0, 5, 2], [0, 1])), r"compressed rows do not fit"),
    ("csr rows overflow", container(sparse(2, (1,), (3, 3), [0, 2**63 - 1, -(2**63), 1], [0])), r"do not fit"),
    ("csr column outside", container(sparse(2, (1,), (1, 3), [0, 1], [3])), r"do not fit"),
]


@pytest.mark.parametrize(("data", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refuses_in_a_sentence(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_params(data, "file")


SOURCES = [(FIXTURES / f"{name}.params").read_bytes() for name in EXPECTED]
numbers = st.sampled_from([0, 1, 2, 7, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xF993FAC8, 0xF993FACA])


@settings(max_examples=400)
@given(
    source=st.sampled_from(SOURCES),
    edits=st.lists(st.tuples(st.floats(0, 1), numbers | st.integers(0, 2**32 - 1)), min_size=1, max_size=4),
    keep=st.floats(0, 1) | st.just(1.0),
)
def test_mutated_files_give_arrays_or_a_sentence(source: bytes, edits: list[tuple[float, int]], keep: float) -> None:
    data = bytearray(source)
    for place, value in edits:
        at = int(place * (len(data) - 4))
        data[at : at + 4] = struct.pack("<I", value)
    try:
        arrays = parse_params(bytes(data[: int(keep * len(data))]), "file")
    except DataError as problem:
        assert problem.key.startswith("file")  # noqa: PT017
    else:
        assert sum(array.nbytes for array in arrays.values()) <= 1 << 30


@given(st.binary())
def test_any_bytes_after_the_magic_give_arrays_or_a_sentence(data: bytes) -> None:
    with contextlib.suppress(DataError):
        arrays = parse_params(struct.pack("<QQQ", 0x112, 0, 3) + data, "file")
        assert len(arrays) == 3

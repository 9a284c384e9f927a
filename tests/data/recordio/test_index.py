from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.data.recordio import index
from vision.data.recordio.index import open_index, scan_offsets
from vision.data.recordio.record import MAGIC_BYTES, join_parts
from vision.data.recordio.writer import frame
from vision.settings.errors import DataError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "mxnet"
EXPECTED = json.loads((FIXTURES / "EXPECTED.json").read_text())["recordio"]
M = MAGIC_BYTES


def scan(path: Path, data: bytes) -> np.ndarray:
    path.write_bytes(data)
    return scan_offsets(path, memoryview(data), path.name)


@pytest.mark.parametrize("name", ["small", "edge", "det", "det_difficult"])
def test_index_file_and_scan_find_the_offsets_that_mxnet_wrote(name: str, tmp_path: Path) -> None:
    data = (FIXTURES / f"{name}.rec").read_bytes()
    records = EXPECTED[name]["records"]
    offsets = [record["offset"] for record in records]
    index = open_index(FIXTURES / f"{name}.rec", memoryview(data), "file")
    keys = range(len(offsets)) if index.keys is None else index.keys.tolist()
    assert list(keys) == [record["idx_key"] for record in records]
    assert index.offsets.tolist() == scan(tmp_path / "copy.rec", data).tolist() == offsets


@given(
    payloads=st.lists(st.lists(st.sampled_from([M, b"abcd", b"xy", bytes(16)]), max_size=6).map(b"".join), max_size=20),
    words=st.integers(1, 9),
)
def test_the_scan_does_not_depend_on_where_its_chunks_end(
    payloads: list[bytes], words: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = b"".join(piece for payload in payloads for piece in frame(payload))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_SCAN_WORDS", words)
        patch.setattr(index, "_walk_chain", None)
        offsets = scan(tmp_path_factory.mktemp("scan") / "train.rec", data)
    assert [join_parts(memoryview(data), offset) for offset in offsets.tolist()] == payloads


def test_a_foreign_file_with_magics_inside_its_payloads_is_walked(tmp_path: Path) -> None:
    payloads = [b"abcd" + M + struct.pack("<I", 4) + b"efgh", M, b"ij"]
    data = b"".join(M + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4) for payload in payloads)
    assert scan(tmp_path / "foreign.rec", data).tolist() == [0, 24, 36]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (M, r"t.rec record 0 at byte 0: expected a part header"),
        (b"abc", r"t.rec record 0 at byte 0: "),
        (b"not a record", r"record 0 at byte 0: .*magic"),
        (
            M + struct.pack("<I", 4) + b"abcd" + M + struct.pack("<I", 8) + b"abcd",
            r"record 1 at byte 12: a part of 8",
        ),
        (M + struct.pack("<I", 4) + b"abcd" + bytes(4), r"record 1 at byte 12: "),
        (M + struct.pack("<I", 4) + b"abcd" + bytes(8), r"record 1 at byte 12: .*found 00 00 00 00"),
        (M + struct.pack("<I", 1 << 29), r"record 0 at byte 0: .*byte 8, but the file ends"),
        (M + struct.pack("<I", 2 << 29), r"record 0 at byte 0: .*found cflag 2"),
        (M + struct.pack("<I", 7 << 29), r"record 0 at byte 0: .*found cflag 7"),
        (M + struct.pack("<I", 2**29 - 1), r"record 0 at byte 0: a part of 536870911 bytes"),
    ],
)
def test_damage_is_named_and_located(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        scan(tmp_path / "t.rec", data)


SMALL = (FIXTURES / "small.rec").read_bytes()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: lines[1:], r"t.rec record 0 at byte 9128: t.idx lists it as the first"),
        (lambda lines: lines[:-1], r"t.rec record 8 at byte 42112: .*goes on from byte 43288 to 44932"),
        (lambda lines: [*lines, "77\t44932"], r"record 10 at byte 44932: the file ends at byte 44932"),
        (lambda lines: [*lines, f"77\t{2**63}"], r"record 10 at byte 9223372036854775808: the file ends"),
        (lambda lines: [*lines, "77\t9130"], r"record 2 at byte 9130: records start at multiples of 4"),
        (lambda lines: [*lines, lines[3]], r"record 4 at byte 21120: t.idx lists it twice"),
        (lambda lines: [*lines, "77\t44928"], r"record 10 at byte 44928: expected .*; if the file is whole"),
        (lambda lines: [*lines[:4], *lines[5:]], r"record 3 at byte 21120: it ends at byte .*lists the next at byte"),
        (lambda lines: [*lines[:2], "77\t12", *lines[2:]], r"record 0 at byte 0: it ends at byte 9128, .*at byte 12;"),
        (lambda lines: [], r"t.rec: the file has 44932 bytes, but t.idx lists no record"),
    ],
)
def test_an_index_of_another_file_is_refused(edit: object, message: str, tmp_path: Path) -> None:
    lines = (FIXTURES / "small.idx").read_text().splitlines()
    (tmp_path / "t.idx").write_text("".join(f"{line}\n" for line in edit(lines)))  # type: ignore[operator]
    with pytest.raises(DataError, match=message + r".*delete .*t.idx so that the index is rebuilt"):
        open_index(tmp_path / "t.rec", memoryview(SMALL), "t.rec")


def test_a_truncated_file_is_refused_with_its_index(tmp_path: Path) -> None:
    (tmp_path / "t.idx").write_bytes((FIXTURES / "small.idx").read_bytes())
    with pytest.raises(DataError, match=r"record 9 at byte 43288: a part of 1636 bytes .*ends at byte 44928"):
        open_index(tmp_path / "t.rec", memoryview(SMALL[:-4]), "t.rec")


def test_index_lines_in_any_order_give_records_in_file_order(tmp_path: Path) -> None:
    lines = (FIXTURES / "small.idx").read_text().splitlines()
    (tmp_path / "t.idx").write_text("\n".join(lines[::-1]))
    index = open_index(tmp_path / "t.rec", memoryview(SMALL), "t.rec")
    assert index.offsets.tolist() == [record["offset"] for record in EXPECTED["small"]["records"]]
    assert index.keys is not None
    assert index.keys.tolist() == [record["idx_key"] for record in EXPECTED["small"]["records"]]


def test_running_keys_in_another_order_follow_their_records(tmp_path: Path) -> None:
    data = b"".join(piece for payload in (b"a", b"b", b"c") for piece in frame(payload))
    (tmp_path / "t.idx").write_text("0\t24\n1\t0\n2\t12\n")
    index = open_index(tmp_path / "t.rec", memoryview(data), "t.rec")
    assert (index.offsets.tolist(), index.keys.tolist()) == ([0, 12, 24], [1, 2, 0])  # type: ignore[union-attr]


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    assert scan(tmp_path / "t.rec", b"").tolist() == []


@given(
    data=st.binary(max_size=100)
    | st.lists(st.sampled_from([M, b"\x04\0\0\0", b"\0\0\0\x20", b"\0\0\0\x60"])).map(b"".join)
)
def test_any_bytes_give_an_index_or_a_sentence(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        offsets = scan(tmp_path_factory.mktemp("noise") / "noise.rec", data)
    except DataError as problem:
        assert problem.key.startswith("noise.rec record ")  # noqa: PT017
    else:
        assert len(offsets) * 8 <= len(data)

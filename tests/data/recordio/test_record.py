from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.data.recordio.record import (
    MAGIC_BYTES,
    BrokenRecordError,
    iter_parts,
    iter_records,
    join_parts,
    pack,
    unpack,
)
from vision.data.recordio.writer import frame
from vision.settings.errors import DataError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "mxnet"
M = MAGIC_BYTES

# The two records of mxnet-facts 8.1, as mxnet 1.9.1 wrote them.
DUMP = bytes.fromhex(
    "0a23d7ce 1d000000 00000000 00004040 0700000000000000 0000000000000000 68656c6c6f 000000"
    "0a23d7ce 24000000 02000000 00000000 0c00000000000000 0000000000000000 0000803f 0000003f 41424344"
)


def part(cflag: int, data: bytes, length: int | None = None) -> bytes:
    size = len(data) if length is None else length
    return M + struct.pack("<I", cflag << 29 | size) + data + bytes(-len(data) % 4)


def test_pack_writes_what_mxnet_writes() -> None:
    scalar, vector = pack(3.0, 7, b"hello"), pack([1.0, 0.5], 12, b"ABCD")
    assert b"".join(frame(scalar)) + b"".join(frame(vector)) == DUMP


def test_unpack_reads_what_mxnet_wrote() -> None:
    scalar, vector = (unpack(payload, "dump") for payload in iter_records(io.BytesIO(DUMP), "dump"))
    assert (scalar.label, scalar.record_id, scalar.encoded.tobytes(), scalar.id2) == (3.0, 7, b"hello", 0)
    assert isinstance(vector.label, np.ndarray)
    assert vector.label.dtype == np.float32
    assert vector.label.tolist() == [1.0, 0.5]
    assert (vector.record_id, vector.encoded.tobytes()) == (12, b"ABCD")


@pytest.mark.parametrize(
    ("label", "flag", "size"),
    [
        (2, 0, 24),
        (2.5, 0, 24),
        (np.float32(1), 0, 24),
        (np.int64(4), 0, 24),
        ([7], 1, 28),
        (np.arange(3), 3, 36),
    ],
)
def test_numbers_are_scalar_labels_and_sequences_vectors(label: object, flag: int, size: int) -> None:
    payload = pack(label, 2**64 - 1, b"")  # type: ignore[arg-type]
    assert len(payload) == size
    assert struct.unpack_from("<I", payload) == (flag,)
    assert struct.unpack_from("<Q", payload, 8) == (2**64 - 1,)


def test_an_empty_label_vector_is_refused() -> None:
    with pytest.raises(DataError, match=r"record 5: the label vector is empty"):
        pack([], 5, b"x")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "the payload has 0 bytes"),
        (bytes(23), "header of 24 bytes"),
        (struct.pack("<IfQQ", 1, 0, 0, 0) + bytes(3), "announces 1 labels"),
        (struct.pack("<IfQQ", 2**32 - 1, 0, 0, 0) + bytes(8), "announces 4294967295 labels"),
    ],
)
def test_unpack_refuses_what_cannot_be_an_image_record(payload: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=rf"^here: .*{reason}"):
        unpack(payload, "here")


@given(
    st.one_of(st.floats(width=32, allow_nan=False), st.lists(st.floats(width=32, allow_nan=False), min_size=1)),
    st.integers(0, 2**64 - 1),
    st.binary(),
)
def test_unpack_undoes_pack(label: float | list[float], record_id: int, encoded: bytes) -> None:
    record = unpack(pack(label, record_id, encoded), "key")
    assert record.record_id == record_id
    assert record.encoded.tobytes() == encoded
    assert (record.label.tolist() if isinstance(record.label, np.ndarray) else record.label) == label
    assert pack(*record) == pack(label, record_id, encoded)


@pytest.mark.parametrize(
    ("payload", "parts"),
    [
        (b"", [(0, 0)]),
        (M, [(1, 0), (3, 0)]),
        (M + M, [(1, 0), (2, 0), (3, 0)]),
        (b"AAAA" + M + b"BBBBB", [(1, 4), (3, 5)]),
        (b"AAAA" + M, [(1, 4), (3, 0)]),
        (b"A" + M + b"BBB", [(0, 8)]),
        (M[1:] + M + M[:3], [(0, 10)]),
    ],
)
def test_records_are_split_at_aligned_magics(payload: bytes, parts: list[tuple[int, int]]) -> None:
    buffer = memoryview(b"".join(frame(payload)))
    bounds = list(iter_parts(buffer, 0))
    words = [struct.unpack_from("<I", buffer, start - 4)[0] for start, _ in bounds]
    assert [(word >> 29, stop - start) for word, (start, stop) in zip(words, bounds, strict=True)] == parts
    assert join_parts(buffer, 0) == payload


magic_rich_payloads = st.lists(
    st.lists(st.sampled_from([M, M[:2], b"x", b"abcd", b"\x00" * 4]), max_size=12).map(b"".join), max_size=8
)


@given(magic_rich_payloads)
def test_a_stream_gives_the_payloads_that_were_framed(payloads: list[bytes]) -> None:
    stream = io.BytesIO(b"".join(piece for payload in payloads for piece in frame(payload)))
    assert list(iter_records(stream, "pipe")) == payloads


def test_a_stream_may_give_its_bytes_in_small_pieces() -> None:
    class Dripping(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.rest = data

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            piece, self.rest = self.rest[: min(size, 3)], self.rest[min(size, 3) :]
            return piece

    payloads = list(iter_records(Dripping((FIXTURES / "edge.rec").read_bytes()), "pipe"))  # type: ignore[arg-type]
    assert payloads == list(iter_records(io.BytesIO((FIXTURES / "edge.rec").read_bytes()), "pipe"))
    assert len(payloads) == 13


DAMAGE = [
    ("header cut off", part(0, b"abcd") + M, r"s.rec record 1 at byte 12: expected a part header of 8 bytes"),
    (
        "data cut off",
        part(0, b"abcd") + part(0, b"abcd")[:-1],
        r"record 1 at byte 12: a part of 4 bytes .* ends at byte 23",
    ),
    ("padding cut off", part(0, b"abcde")[:-1], r"record 0 at byte 0: a part of 5 bytes"),
    (
        "length impossible",
        part(0, b"abcd", length=2**29 - 1),
        r"record 0 at byte 0: a part of 536870911 bytes",
    ),
    ("no magic", part(0, b"abcd") + b"nonsense", r"record 1 at byte 12: .*0a 23 d7 ce, found 6e 6f 6e 73"),
    ("starts in the middle", part(3, b"abcd"), r"the start of a record \(cflag 0 or 1\), found cflag 3"),
    ("cflag unknown", part(5, b"abcd"), r"the start of a record \(cflag 0 or 1\), found cflag 5"),
    (
        "new start inside",
        part(1, b"abcd") + part(0, b"abcd"),
        r"record 0 at byte 0: .*\(cflag 2 or 3\), found cflag 0",
    ),
    ("never ends", part(1, b"abcd") + part(2, b"abcd"), r"record 0 .* part header of 8 bytes at byte 24"),
]


@pytest.mark.parametrize(("data", "message"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
def test_a_damaged_stream_is_named_and_located(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(iter_records(io.BytesIO(data), "s.rec"))


@pytest.mark.parametrize(("data", "message"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
def test_a_buffer_and_a_stream_agree_on_damage(data: bytes, message: str) -> None:
    offset = 12 if "record 1" in message else 0
    with pytest.raises(BrokenRecordError):
        join_parts(memoryview(data), offset)


def test_parts_cannot_add_up_to_more_than_a_record_holds() -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            self.turn = getattr(self, "turn", 0) + 1
            if size == 8:
                return M + struct.pack("<I", (1 if self.turn == 1 else 2) << 29 | 2**28)
            return bytes(size or 0)

    with pytest.raises(DataError, match=r"exceed 536870911 bytes"):
        list(iter_records(Endless(), "pipe"))


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([M, b"\x04\0\0\0", b"\x04\0\0\x20", b"\0\0\0\x60"])).map(b"".join)
)
def test_any_bytes_give_records_or_a_sentence(data: bytes) -> None:
    total = 0
    with contextlib.suppress(DataError):
        for payload in iter_records(io.BytesIO(data), "noise"):
            total += len(payload)
    assert total <= len(data)

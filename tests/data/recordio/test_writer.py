from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest

from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record import pack, unpack
from vision.data.recordio.writer import RecordIOWriter
from vision.settings.errors import DataError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "mxnet"
EXPECTED = json.loads((FIXTURES / "EXPECTED.json").read_text())["recordio"]


@pytest.mark.parametrize("name", ["small", "edge", "det", "det_difficult"])
def test_rewriting_a_file_of_mxnet_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    source = RecordIOReader([FIXTURES / f"{name}.rec"])
    with RecordIOWriter(tmp_path / "copy.rec") as writer:
        for index, record in enumerate(EXPECTED[name]["records"]):
            payload = source.payload(index)
            if "header" in record:
                payload = memoryview(pack(*unpack(payload, "record")))
            writer.write(record["idx_key"], payload)
        assert len(writer) == len(EXPECTED[name]["records"])
    assert hashlib.sha256((tmp_path / "copy.rec").read_bytes()).hexdigest() == EXPECTED[name]["file_sha256"]
    assert hashlib.sha256((tmp_path / "copy.idx").read_bytes()).hexdigest() == EXPECTED[name]["idx_text_sha256"]


def test_nothing_has_its_name_before_the_writer_is_closed(tmp_path: Path) -> None:
    writer = RecordIOWriter(tmp_path / "deep" / "train.rec")
    writer.write(0, b"payload")
    assert list((tmp_path / "deep").glob("*.rec")) == list((tmp_path / "deep").glob("*.idx")) == []
    writer.close()
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["train.idx", "train.rec"]


def test_an_error_leaves_the_older_files_and_nothing_else(tmp_path: Path) -> None:
    with RecordIOWriter(tmp_path / "train.rec") as writer:
        writer.write(0, b"old")
    old = (tmp_path / "train.rec").read_bytes()

    def fail_halfway() -> None:
        with RecordIOWriter(tmp_path / "train.rec") as writer:
            writer.write(0, b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert (tmp_path / "train.rec").read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.idx", "train.rec"]


def test_closing_replaces_an_older_index_too(tmp_path: Path) -> None:
    (tmp_path / "train.idx").write_text("0\t0\n1\t400\n")
    with RecordIOWriter(tmp_path / "train.rec") as writer:
        writer.write(9, b"abc")
        writer.write(2**64 - 1, b"")
    assert (tmp_path / "train.idx").read_text() == f"9\t0\n{2**64 - 1}\t12\n"


def test_a_payload_that_no_length_field_can_hold_is_refused(tmp_path: Path) -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 2**29

    with RecordIOWriter(tmp_path / "train.rec") as writer:
        with pytest.raises(DataError, match=r"train.rec record 0 \(id 3\): .*536870912 bytes.*at most 536870911"):
            writer.write(3, Huge())
        writer.write(0, b"")
    assert (tmp_path / "train.rec").read_bytes() == struct.pack("<II", 0xCED7230A, 0)


@pytest.mark.parametrize("record_id", [-1, 2**64])
def test_a_key_beyond_64_bits_is_refused(record_id: int, tmp_path: Path) -> None:
    with RecordIOWriter(tmp_path / "train.rec") as writer, pytest.raises(DataError, match="0 to 2\\^64-1"):
        writer.write(record_id, b"")

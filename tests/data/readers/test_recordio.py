from __future__ import annotations

import hashlib
import json
import multiprocessing
import pickle
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record import MAGIC, pack
from vision.data.recordio.writer import RecordIOWriter
from vision.data.sample import Reader
from vision.files.steady_file import FileChangedError
from vision.settings.errors import DataError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "mxnet"
GROUND_TRUTH = json.loads((FIXTURES / "EXPECTED.json").read_text())
EXPECTED = GROUND_TRUTH["recordio"]
SMALL = (FIXTURES / "small.rec").read_bytes()


def write(path: Path, payloads: list[bytes]) -> Path:
    with RecordIOWriter(path) as writer:
        for number, payload in enumerate(payloads):
            writer.write(number, payload)
    return path


@pytest.mark.parametrize("with_idx", [True, False])
@pytest.mark.parametrize("name", ["small", "det", "det_difficult"])
def test_reads_what_mxnet_wrote(name: str, with_idx: bool, tmp_path: Path) -> None:
    for suffix in [".rec", ".idx"] if with_idx else [".rec"]:
        shutil.copy(FIXTURES / f"{name}{suffix}", tmp_path)
    reader = RecordIOReader([tmp_path / f"{name}.rec"])
    records = EXPECTED[name]["records"]
    assert isinstance(reader, Reader)
    assert len(reader) == len(records)
    for index, record in enumerate(records):
        sample = reader[index]
        key = f"{name}.rec record {index} (id {record['header']['id']}) at byte {record['offset']}"
        assert sample.key == reader.key(index) == key
        assert isinstance(sample.target, np.ndarray)
        assert sample.target.dtype == np.float32
        assert sample.target.tolist() == reader.target(index).tolist() == record["labels"]
        assert hashlib.sha256(sample.encoded).hexdigest() == record["image_sha256"]
        assert hashlib.sha256(reader.payload(index)).hexdigest() == record["payload_sha256"]


def test_payloads_of_any_kind_are_read(tmp_path: Path) -> None:
    reader = RecordIOReader([FIXTURES / "edge.rec"])
    assert [bytes(reader.payload(i)).hex() for i in range(len(reader))] == [
        record["payload_hex"] for record in EXPECTED["edge"]["records"]
    ]
    with pytest.raises(DataError, match=r"edge.rec record 1 at byte 8: the payload has 1 bytes"):
        reader[1]
    assert reader.key(1) == "edge.rec record 1 at byte 8"


def test_files_of_one_channel_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "empty.rec").write_bytes(b"")
    paths = [
        FIXTURES / "det_difficult.rec",
        tmp_path / "empty.rec",
        FIXTURES / "det.rec",
        FIXTURES / "edge.rec",
    ]
    reader = RecordIOReader(paths)
    assert len(reader) == 2 + 0 + 5 + 13
    assert [reader.key(index).split(" (")[0] for index in (1, 2, 6, 7)] == [
        "det_difficult.rec record 1",
        "det.rec record 0",
        "det.rec record 4",
        "edge.rec record 0 at byte 0",
    ]
    with pytest.raises(IndexError):
        reader[20]
    with pytest.raises(IndexError):
        reader[-1]


def test_files_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    shutil.copy(FIXTURES / "det.rec", tmp_path / "a")
    reader = RecordIOReader([tmp_path / "a" / "det.rec", FIXTURES / "det.rec"])
    assert reader.key(0).startswith(f"{tmp_path}/a/det.rec record 0")


LABELS = [
    ("scalars", [0.0, 3.0, -1.0], [[0.0], [3.0], [-1.0]]),
    ("vectors", [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]),
    ("scalar and vector of one", [5.0, [6.0]], [[5.0], [6.0]]),
    ("different widths", [[1.0, 2.0], [3.0]], None),
    ("different late", [*[1.0] * 5000, [1.0, 2.0]], None),
    ("several steps", [float(i % 7) for i in range(9000)], [[float(i % 7)] for i in range(9000)]),
]


@pytest.mark.parametrize(("labels", "matrix"), [row[1:] for row in LABELS], ids=[row[0] for row in LABELS])
def test_all_labels_at_once(labels: list[Any], matrix: list[list[float]] | None, tmp_path: Path) -> None:
    reader = RecordIOReader([write(tmp_path / "t.rec", [pack(label, i, b"img") for i, label in enumerate(labels)])])
    result = reader.targets_matrix()
    assert (None if result is None else result.tolist()) == matrix
    assert result is None or result.dtype == np.float32


def test_all_labels_at_once_include_split_records(tmp_path: Path) -> None:
    # Ids and labels whose bytes are the magic: the record is split inside its header.
    magic_label = struct.unpack("<f", struct.pack("<I", MAGIC))[0]
    rows = [[1.0, 2.0], [magic_label, 3.0], [4.0, 5.0], [6.0, magic_label]]
    first = write(tmp_path / "a.rec", [pack(row, MAGIC if i == 2 else i, b"image") for i, row in enumerate(rows)])
    second = write(tmp_path / "b.rec", [pack([7.0, 8.0], 0, b"")])
    reader = RecordIOReader([first, second])
    expected = [*rows, [7.0, 8.0]]
    assert [reader.target(i).tolist() for i in range(5)] == expected
    assert reader.targets_matrix().tolist() == expected  # type: ignore[union-attr]


def test_an_index_that_leaves_a_record_out_is_refused_when_opened(tmp_path: Path) -> None:
    path = write(tmp_path / "t.rec", [pack(1.0, i, b"img") for i in range(4)])
    lines = path.with_suffix(".idx").read_text().splitlines()
    path.with_suffix(".idx").write_text("\n".join(lines[:1] + lines[2:]))
    with pytest.raises(DataError, match=r"t.rec record 0 at byte 0: it ends at byte 36, .*byte 72.*delete .*t.idx"):
        RecordIOReader([path])


def test_an_index_into_the_middle_of_a_record_is_refused_when_opened(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "small.rec", tmp_path / "t.rec")
    (tmp_path / "t.idx").write_text((FIXTURES / "small.idx").read_text().replace("9128", "9132"))
    with pytest.raises(DataError, match=r"t.rec record 0 at byte 0: it ends at byte 9128, .*9132; .*delete .*t.idx"):
        RecordIOReader([tmp_path / "t.rec"])


def test_a_broken_record_of_a_sound_index_leaves_the_others_readable(tmp_path: Path) -> None:
    path = write(tmp_path / "t.rec", [pack(1.0, i, b"img") for i in range(4)])
    content = bytearray(path.read_bytes())
    content[36:40] = b"none"
    path.write_bytes(content)
    reader = RecordIOReader([path])
    with pytest.raises(DataError, match=r"t.rec record 1 at byte 36: expected the record magic .*delete .*t.idx"):
        reader[1]
    assert reader.key(1) == "t.rec record 1 at byte 36"
    assert bytes(reader[2].encoded) == b"img"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_the_same_records(method: str) -> None:
    reader = RecordIOReader([FIXTURES / "small.rec"])
    with multiprocessing.get_context(method).Pool(1) as pool:
        keys = pool.map(reader.key, range(len(reader)))
    assert keys == [reader.key(index) for index in range(len(reader))]


def test_a_file_that_changed_since_it_was_opened_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.rec", [pack(1.0, 0, b"one")])
    pickled = pickle.dumps(RecordIOReader([path]))
    write(path, [pack(1.0, 0, b"one"), pack(1.0, 1, b"two")])
    with pytest.raises(FileChangedError, match=r"t.rec had 36 bytes when it was opened and has 72 now"):
        pickle.loads(pickled)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "RecordIO channel: holds no records"),
        (["none.rec"], "none.rec: cannot be read"),
        (["0.rec"], "no records"),
    ],
)
def test_a_channel_without_records_is_refused(paths: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "0.rec").write_bytes(b"")
    with pytest.raises(DataError, match=message):
        RecordIOReader([tmp_path / path for path in paths])


def read_everything(path: Path) -> None:
    reader = RecordIOReader([path])
    for index in range(len(reader)):
        sample = reader[index]
        assert len(sample.encoded) <= path.stat().st_size
    reader.targets_matrix()


@settings(max_examples=200)
@given(
    name=st.sampled_from(["small", "edge", "det"]),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    keep=st.floats(0, 1) | st.just(1.0),
    suffix=st.sampled_from([".rec", ".idx"]),
)
def test_damaged_files_give_a_sentence(
    name: str,
    edits: list[tuple[float, int]],
    keep: float,
    suffix: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    shutil.copy(FIXTURES / f"{name}.rec", folder)
    if suffix == ".idx" or keep < 0.5:
        shutil.copy(FIXTURES / f"{name}.idx", folder)
    damaged = bytearray((FIXTURES / f"{name}{suffix}").read_bytes())
    for place, value in edits:
        damaged[int(place * (len(damaged) - 1))] = value
    (folder / f"{name}{suffix}").write_bytes(damaged[: int(keep * len(damaged))])
    try:
        read_everything(folder / f"{name}.rec")
    except DataError as problem:
        assert name in problem.key  # noqa: PT017

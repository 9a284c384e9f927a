from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from vision.data.recordio.record_kind import record_kind_problem

FIXTURES = Path(__file__).parents[2] / "fixtures" / "mxnet"


def record(payload: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3)).save(buffer, "JPEG")
    return buffer.getvalue()


# aialgs.data.Record: features = 1 (map), a map entry has key = 1 and value = 2, as SageMaker's SDK writes it.
PROTOBUF = record(b"\x0a\x12\x0a\x06values\x12\x08\x12\x06\x0a\x04\0\0\x80?" + b"\x12\x05")
EXAMPLE = b"\x0a\x10\x0a\x0e\x0a\x05image"
TFRECORD = struct.pack("<QI", len(EXAMPLE), 0x12345678) + EXAMPLE


@pytest.mark.parametrize("name", ["det.rec", "edge.rec", "exif.rec"])
def test_mxnet_s_own_files_pass(name: str) -> None:
    assert record_kind_problem((FIXTURES / name).read_bytes()[:512]) is None


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (PROTOBUF, ("holds SageMaker's protobuf records, not MXNet's with images; pack the images with vision im2rec")),
        (TFRECORD, "is a TFRecord file, not MXNet RecordIO"),
        (record(jpeg()), "holds bare JPEG images without the header of MXNet's image records"),
        (jpeg(), "is not MXNet RecordIO but"),
        (b"PK\x03\x04" + bytes(20), "is not MXNet RecordIO but a ZIP archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ],
)
def test_other_record_files(start: bytes, sentence: str) -> None:
    problem = record_kind_problem(start)
    assert problem is not None
    assert sentence in problem


@pytest.mark.parametrize("start", [b"", record(b""), record(b"\0" * 24)[:9]])
def test_short_files_are_left_to_the_reader(start: bytes) -> None:
    assert record_kind_problem(start) is None

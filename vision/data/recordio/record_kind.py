"""What a file of records is: MXNet's RecordIO, or another kind that shares its name or its magic number."""

from __future__ import annotations

import struct

from vision.data.foreign_bytes import describe_bytes
from vision.data.image_header import BadHeaderError, read_header
from vision.data.recordio.record import MAGIC_BYTES


def record_kind_problem(start: bytes) -> str | None:
    """Return half a sentence if the first bytes of a file (512 suffice) show it to be no RecordIO file of images.

    None does not say that the file is whole: reading it checks that.
    """
    if not start or start.startswith(MAGIC_BYTES):
        return _payload_problem(start[8:])
    if _is_tfrecord(start):
        return "is a TFRecord file, not MXNet RecordIO; convert its images, for example with vision im2rec"
    return f"is not MXNet RecordIO but {describe_bytes(start)}"


def _payload_problem(payload: bytes) -> str | None:
    # SageMaker's protobuf records use the same framing: first a map entry (tag 0x0a) with the key "values".
    if payload[:1] == b"\x0a" and b"values" in payload[:64]:
        return "holds SageMaker's protobuf records, not MXNet's with images; pack the images with vision im2rec"
    try:
        header = read_header(payload)
    except BadHeaderError:
        return None
    if header is not None:
        return (
            f"holds bare {header.format} images without the header of MXNet's image records, as the "
            "stream of an "
            "augmented manifest; give the manifest itself, or pack the images with vision im2rec"
        )
    return None


def _is_tfrecord(start: bytes) -> bool:
    """uint64 length, its checksum, then a tf.train.Example: a protobuf message with field 1 first."""
    if len(start) < 13:
        return False
    return 0 < struct.unpack_from("<Q", start)[0] < 1 << 31 and start[12] == 0x0A

"""The answers of SageMaker's endpoint, an image of class ids or the probabilities of all classes, and ours."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np

from vision.algorithms.json_answer import json_bytes
from vision.algorithms.semantic_segmentation.predictions import Segmentation
from vision.data.masks.mask_png import class_colors, write_mask

# SageMaker's documentation and its notebooks call one form by several names.
RECORD_FORMS = ("application/x-recordio-protobuf", "application/x-protobuf", "application/x-recordio")
RECORDIO_MAGIC = 0xCED7230A
_MAX_RECORD_BYTES = (1 << 29) - 1
# Protocol Buffers' wire type of texts, packed numbers and messages.
_BYTES = 2
# Fields of SageMaker's Record and Value.
_FEATURES, _FLOAT32_TENSOR, _INT32_TENSOR = 1, 2, 7


def respond(segmentation: Segmentation, form: str, class_names: tuple[str, ...]) -> bytes:
    """Return the body of an answer in one of the algorithm's media types.

    ``image/png`` has a palette: its pixels are class ids, and viewers show colors. Probabilities are float32
    [1, C, H, W], in a Record of SageMaker or an array of NumPy.
    """
    if form == "image/png":
        return write_mask(segmentation.ids)
    if form == "image/png;colored":
        rgb = class_colors(256)[segmentation.ids]
        return cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()
    if form == "application/x-npy":
        buffer = io.BytesIO()
        np.save(buffer, segmentation.probabilities()[None])
        return buffer.getvalue()
    if form in RECORD_FORMS:
        return recordio_of_probabilities(segmentation.probabilities()[None])
    return json_bytes(segmentation.describe(class_names))


def recordio_of_probabilities(probabilities: np.ndarray) -> bytes:
    """Return one RecordIO frame of a Record with the features ``target`` and ``shape`` of an array float32."""
    values = _field(1, np.ascontiguousarray(probabilities, "<f4").tobytes())
    shape = _field(1, b"".join(map(_varint, probabilities.shape)))
    features = (("target", _field(_FLOAT32_TENSOR, values)), ("shape", _field(_INT32_TENSOR, shape)))
    record = b"".join(_field(_FEATURES, _field(1, name.encode()) + _field(2, value)) for name, value in features)
    assert len(record) <= _MAX_RECORD_BYTES, "larger than a frame can state"
    padding = b"\0" * (-len(record) % 4)
    return struct.pack("<II", RECORDIO_MAGIC, len(record)) + record + padding


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return a whole number in groups of seven bits, the lowest first."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])

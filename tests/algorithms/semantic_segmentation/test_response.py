from __future__ import annotations

import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from vision.algorithms.semantic_segmentation.predictions import Segmentation
from vision.algorithms.semantic_segmentation.response import (
    RECORD_FORMS,
    RECORDIO_MAGIC,
    recordio_of_probabilities,
    respond,
)
from vision.data.masks.mask_png import class_colors

NAMES = ("sky", "road", "car")


@pytest.fixture
def segmentation() -> Segmentation:
    logits = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)
    return Segmentation(logits, logits.argmax(0).astype(np.uint8))


def test_an_image_of_ids_keeps_them(segmentation: Segmentation) -> None:
    image = Image.open(io.BytesIO(respond(segmentation, "image/png", NAMES)))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), segmentation.ids)
    colored = cv2.imdecode(np.frombuffer(respond(segmentation, "image/png;colored", NAMES), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(colored[..., ::-1], class_colors(3)[segmentation.ids])


def test_probabilities_as_an_array(segmentation: Segmentation) -> None:
    found = np.load(io.BytesIO(respond(segmentation, "application/x-npy", NAMES)))
    assert found.shape == (1, 3, 5, 7)
    np.testing.assert_array_equal(found[0].argmax(0), segmentation.ids)


@pytest.mark.parametrize("form", RECORD_FORMS)
def test_a_record_reads_back_with_protocol_buffers(form: str, segmentation: Segmentation) -> None:
    """By the messages of SageMaker's documentation, read by Google's library, not by ours."""
    body = respond(segmentation, form, NAMES)
    magic, length = struct.unpack("<II", body[:8])
    assert (magic, len(body) % 4) == (RECORDIO_MAGIC, 0)
    record = record_class()()
    record.ParseFromString(body[8 : 8 + length])
    assert not any(body[8 + length :])
    shape = list(record.features["shape"].int32_tensor.values)
    assert shape == [1, 3, 5, 7]
    values = np.array(record.features["target"].float32_tensor.values, np.float32).reshape(shape)
    np.testing.assert_array_equal(values[0], segmentation.probabilities())


def test_sizes_above_one_byte_are_written_in_groups_of_bits() -> None:
    body = recordio_of_probabilities(np.zeros((1, 2, 300, 1), np.float32))
    record = record_class()()
    record.ParseFromString(body[8 : 8 + struct.unpack("<I", body[4:8])[0]])
    assert list(record.features["shape"].int32_tensor.values) == [1, 2, 300, 1]


def record_class() -> Any:
    """Return the message ``aialgs.data.Record``, as far as answers have it."""
    descriptor = pytest.importorskip("google.protobuf.descriptor_pb2")
    descriptor_pool = pytest.importorskip("google.protobuf.descriptor_pool")
    message_factory = pytest.importorskip("google.protobuf.message_factory")
    field = descriptor.FieldDescriptorProto
    file = descriptor.FileDescriptorProto(name="record.proto", package="aialgs.data", syntax="proto2")
    for name, kind in (("Float32Tensor", field.TYPE_FLOAT), ("Int32Tensor", field.TYPE_INT32)):
        one = file.message_type.add(name=name).field.add(name="values", number=1, label=3, type=kind)
        one.options.packed = True
    value = file.message_type.add(name="Value")
    for name, number, kind in (("float32_tensor", 2, "Float32Tensor"), ("int32_tensor", 7, "Int32Tensor")):
        value.field.add(name=name, number=number, label=1, type=11, type_name=f".aialgs.data.{kind}")
    record = file.message_type.add(name="Record")
    entry = record.nested_type.add(name="FeaturesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=9)
    entry.field.add(name="value", number=2, label=1, type=11, type_name=".aialgs.data.Value")
    record.field.add(name="features", number=1, label=3, type=11, type_name=".aialgs.data.Record.FeaturesEntry")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.data.Record"))

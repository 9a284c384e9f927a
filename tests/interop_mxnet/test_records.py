from __future__ import annotations

import cv2
import numpy as np

from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter

SIDE = 32


def png(image: np.ndarray) -> bytes:
    """An encoded image that every decoder gives back exactly."""
    return cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()


def test_mxnet_s_iterator_reads_our_records(oracle, seed, tmp_path) -> None:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)
    labels = random.integers(0, 100, 5).astype(np.float32)
    with RecordIOWriter(tmp_path / "ours.rec") as writer:
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            writer.write(number, pack(label, number, png(image)))
    found = oracle("read_records", detection=False, data_shape=[3, SIDE, SIDE], count=5)
    assert np.array_equal(found["data"], images.transpose(0, 3, 1, 2))
    assert np.array_equal(found["label"], labels)


def test_mxnet_s_detection_iterator_reads_our_boxes(oracle, seed, tmp_path) -> None:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8)
    vectors = []
    with RecordIOWriter(tmp_path / "ours.rec") as writer:
        for number, image in enumerate(images):
            low = random.uniform(0, 0.5, (number + 1, 2))
            boxes = np.concatenate([random.integers(0, 9, (number + 1, 1)), low, low + 0.3], axis=1)
            vectors.append(np.concatenate([[2, 5], boxes.ravel()]).astype(np.float32))
            writer.write(number, pack(vectors[-1], number, png(image)))
    width = 2 + 5 * len(images)
    found = oracle("read_records", detection=True, data_shape=[3, SIDE, SIDE], count=4, label_width=width)
    assert np.array_equal(found["data"], images.transpose(0, 3, 1, 2))
    for row, vector in zip(found["label"], vectors, strict=True):
        # Channels, rows, columns and the length come first.
        assert row[:4].tolist() == [3, SIDE, SIDE, len(vector)]
        assert np.array_equal(row[4 : 4 + len(vector)], vector)


def test_we_read_mxnet_s_records(oracle, seed, tmp_path) -> None:
    random = np.random.default_rng(seed)
    # Bytes with RecordIO's magic at places that are multiples of 4 and not.
    magic = b"\x0a\x23\xd7\xce"
    encoded = [random.bytes(size) + magic + random.bytes(size) for size in range(12)]
    labels = [random.uniform(0, 9, random.integers(1, 5)).astype(np.float32).tolist() for _ in encoded]
    arrays = {str(number): np.frombuffer(content, np.uint8) for number, content in enumerate(encoded)}
    np.savez(tmp_path / "encoded.npz", **arrays)
    oracle("write_records", labels=labels)
    reader = RecordIOReader([tmp_path / "theirs.rec"])
    assert len(reader) == len(encoded)
    for number, (content, label) in enumerate(zip(encoded, labels, strict=True)):
        sample = reader[number]
        assert bytes(sample.encoded) == content
        assert sample.target.tolist() == np.float32(label).tolist()

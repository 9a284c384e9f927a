"""A channel in Pipe mode: one FIFO for each pass over the data, read from start to end and never twice.

Source: sagemaker-contract, sections 4.5, 4.6 and 7.5. The order is the platform's.
"""

from __future__ import annotations

import io
import os
import select
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NoReturn

import numpy as np

from vision.data.foreign_bytes import describe_bytes
from vision.data.image_header import BadHeaderError, read_header
from vision.data.readers.manifest_line import decode_label, id_list
from vision.data.recordio.record import MAGIC_BYTES, iter_records, unpack
from vision.data.recordio.record_kind import record_kind_problem
from vision.data.sample import RawTarget, Sample
from vision.settings.channels import LabelFormat
from vision.settings.errors import DataError, UserError

_POLL_S = 0.05
_BUFFER_BYTES = 1 << 20
_MAX_LABEL_BYTES = 16 << 20
_JPEG = b"\xff\xd8\xff"


class PipeReader:
    """The passes of one channel. ``base`` is the path of its pipes without "_<number>".

    It is a ``Reader`` as far as a stream can be one: it counts and names records, but gives none by its number.
    ``expected`` records are assumed until a pass has been counted. ``label_format`` says what the lists of a manifest
    hold, whose metadata do not come along; with ``image_labels`` each image is followed by another, which labels its
    pixels and is given as bytes.
    """

    class_names: tuple[str, ...] | None = None

    def __init__(
        self,
        base: Path,
        stall_timeout_s: float,
        expected: int = 0,
        label_format: LabelFormat | None = None,
        image_labels: bool = False,
    ) -> None:
        self.base = base
        self.stall_timeout_s = stall_timeout_s
        self.passes_opened = 0
        self._count = expected
        self._label_format = label_format
        self._image_labels = image_labels

    def __len__(self) -> int:
        return self._count

    def key(self, index: int) -> str:
        """Return the name of a record, whatever the pass."""
        return f"{self.base.name} record {index}"

    def target(self, index: int) -> RawTarget:
        """Refused: what has been streamed is gone."""
        self._refuse(index)

    def __getitem__(self, index: int) -> Sample:
        self._refuse(index)

    def _refuse(self, index: int) -> NoReturn:
        raise DataError(self.key(index), "was streamed and cannot be read again; File mode keeps the data")

    def next_pass(self) -> Iterator[Sample]:
        """Open the next pipe and give its samples. Raises UserError when it does not come, stalls or is empty."""
        path = self.base.with_name(f"{self.base.name}_{self.passes_opened}")
        self.passes_opened += 1
        descriptor = _open(path, self.stall_timeout_s)
        with io.BufferedReader(_Pipe(descriptor, path.name, self.stall_timeout_s), _BUFFER_BYTES) as stream:
            count = 0
            for sample in self._samples(iter_records(stream, path.name), path.name):
                yield sample
                count += 1
        if not count:
            raise DataError(path.name, "holds no records; the channel's S3 prefix or manifest seems to be empty")
        self._count = count

    def _samples(self, payloads: Iterator[bytes], name: str) -> Iterator[Sample]:
        """Yield the samples of a stream of image records, or of an augmented manifest's pairs of image and label."""
        first = next(payloads, None)
        if first is None:
            return
        joined = chain([first], payloads)
        if _is_image(first):
            yield from self._pairs(joined, name)
            return
        problem = _first_problem(first)
        if problem:
            raise DataError(f"{name} record 0", problem)
        for number, payload in enumerate(joined):
            record = unpack(payload, f"{name} record {number}")
            label = record.label
            target = np.asarray([label], np.float32) if isinstance(label, float) else label
            yield Sample(record.encoded, target, f"{name} record {number} (id {record.record_id})")

    def _pairs(self, payloads: Iterator[bytes], name: str) -> Iterator[Sample]:
        for number, encoded in enumerate(payloads):
            key = f"{name} record {number}"
            label = next(payloads, None)
            if label is None:
                raise DataError(key, "is an image without a label after it; the stream ended early")
            if self._image_labels:
                yield Sample(encoded, _image_label(label, key), key)
            else:
                yield Sample(encoded, _label(label, key, self._label_format), key)


def _open(path: Path, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            # Without waiting for a writer, so that the timeout holds for it too.
            return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            if time.monotonic() > deadline:
                raise UserError(
                    f"the pipe {path} did not appear within {timeout_s:g} s (run.stall_timeout_s); in Pipe mode the "
                    f"platform makes one for each pass over the data: check the channel's S3 address and input mode"
                ) from None
            time.sleep(_POLL_S)
        except OSError as error:
            raise UserError(f"the pipe {path} cannot be opened: {error}") from error


class _Pipe(io.RawIOBase):
    """Reads a FIFO and gives up with a sentence when nothing comes for too long."""

    def __init__(self, descriptor: int, name: str, timeout_s: float) -> None:
        self._descriptor = descriptor
        self._name = name
        self._timeout_s = timeout_s
        self._received = 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        # A pipe that no writer has opened yet shows neither data nor an end.
        if not self._poll.poll(self._timeout_s * 1000):
            raise UserError(
                f"the pipe {self._name} stalled: no data for {self._timeout_s:g} s (run.stall_timeout_s) after "
                f"{self._received} bytes; check that the channel's data can be read, or allow it more time"
            )
        count = os.readv(self._descriptor, [buffer])
        self._received += count
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _image_label(payload: bytes, key: str) -> bytes:
    if payload.startswith(_JPEG):
        raise DataError(
            key,
            "is followed by a JPEG image, which cannot label pixels: AttributeNames must be the image, then the label, "
            "and the label a PNG",
        )
    if _is_image(payload):
        return payload
    raise DataError(
        key,
        "is followed by no image that labels its pixels; AttributeNames must be the image, then the label, both with "
        "names that end in -ref",
    )


def _label(text: bytes, key: str, label_format: LabelFormat | None) -> RawTarget:
    if _is_image(text):
        raise DataError(
            key, "is followed by another image, not by its label; AttributeNames must be the image, then the label"
        )
    try:
        if len(text) > _MAX_LABEL_BYTES:
            raise ValueError(f"has a label of {len(text)} bytes, more than {_MAX_LABEL_BYTES}")
        label = decode_label(text.decode("utf-8"), "label")
        return id_list(label) if isinstance(label, list) and label_format == "class-id" else label
    except UnicodeDecodeError:
        raise DataError(key, f"has a label that is no text but {describe_bytes(text[:256])}") from None
    except ValueError as error:
        raise DataError(key, str(error)) from None


def _is_image(payload: bytes) -> bool:
    try:
        return read_header(payload) is not None
    except BadHeaderError:
        # A damaged image is still one.
        return True


def _first_problem(payload: bytes) -> str | None:
    """Return what is wrong with a stream whose first record is no bare image; None for image records."""
    if payload.startswith(MAGIC_BYTES):
        return "holds RecordIO inside RecordIO; set the channel's RecordWrapperType to None for .rec files"
    if payload[:1] in b'[{"0123456789' and len(payload) < 24:
        text = repr(payload)
        return f"is the text {text}, where an image is expected; AttributeNames must be the image, then the label"
    if payload[:1] == b"{":
        return "is a JSON text, where an image is expected; AttributeNames must be the image, then the label"
    return record_kind_problem(MAGIC_BYTES + bytes(4) + payload[:512])

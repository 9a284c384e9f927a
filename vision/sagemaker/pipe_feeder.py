"""Feeds the FIFOs of one channel as the platform does: one pipe for each pass, as long as there is a reader.

Source: sagemaker-contract, sections 4.2, 4.6 and 7.5.
"""

from __future__ import annotations

import errno
import json
import os
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from vision.data.readers.image_reference import ImageReferences
from vision.data.readers.manifest_line import iter_lines, parse_line
from vision.data.recordio.record import MAGIC, MAX_PAYLOAD_BYTES, PART_HEADER, padded
from vision.files.steady_file import SteadyFile
from vision.settings.regular_file import open_regular

_POLL_S = 0.01
_WRITE_BYTES = 1 << 16

Passes = Callable[[int], Iterable[bytes]]


def file_bytes(files: Sequence[Path]) -> Passes:
    """Return passes that give the files one after the other, as S3Prefix channels do."""

    def chunks(number: int) -> Iterator[bytes]:
        for path in files:
            with open_regular(path) as file:
                while chunk := file.read(1 << 20):
                    yield chunk

    return chunks


def manifest_records(manifest: Path, attributes: Sequence[str], shuffle_seed: int | None = None) -> Passes:
    """Return passes that give the named attributes of each line as RecordIO; those in -ref give the object's bytes.

    With a seed the lines are shuffled for each pass, as ``ShuffleConfig`` does.
    """
    lines = [parse_line(line.text) for line in iter_lines(SteadyFile(manifest, str(manifest)))]
    references = ImageReferences(manifest.parent)

    def records(number: int) -> Iterator[bytes]:
        order = list(range(len(lines)))
        if shuffle_seed is not None:
            random.Random(f"{shuffle_seed} {number}").shuffle(order)
        for index in order:
            for name in attributes:
                yield wrap(_attribute(lines[index], name, references, manifest.parent))

    return records


def wrap(payload: bytes) -> bytes:
    """Return one RecordIO record around any bytes. The magic inside is not split, which readers accept."""
    assert len(payload) <= MAX_PAYLOAD_BYTES
    return PART_HEADER.pack(MAGIC, len(payload)) + payload.ljust(padded(len(payload)), b"\0")


def _attribute(line: dict[str, object], name: str, references: ImageReferences, folder: Path) -> bytes:
    value = line[name]
    if name.endswith("-ref"):
        with open_regular(folder / references.find(value)) as file:
            return file.read()
    return (value if isinstance(value, str) else json.dumps(value)).encode()


class PipeFeeder(threading.Thread):
    """Makes ``<base>_0``, ``<base>_1``, ... and fills each when it is opened. ``passes`` bounds how many.

    After ``stall_after`` bytes of a pass nothing more is written, as by a platform that hangs.
    """

    def __init__(
        self, base: Path, contents: Passes, *, passes: int | None = None, stall_after: int | None = None
    ) -> None:
        super().__init__(name=f"feeder of {base.name}", daemon=True)
        self.base = base
        self.contents = contents
        self.passes = passes
        self.stall_after = stall_after
        self.opened = 0
        self._ended = threading.Event()

    def stop(self) -> None:
        """Stop feeding and wait for the thread."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        number = 0
        while not self._ended.is_set() and (self.passes is None or number < self.passes):
            path = self.base.with_name(f"{self.base.name}_{number}")
            os.mkfifo(path)
            descriptor = self._open(path)
            if descriptor is None:
                return
            self.opened += 1
            try:
                self._write(descriptor, self.contents(number))
            finally:
                os.close(descriptor)
            number += 1

    def _open(self, path: Path) -> int | None:
        """Wait for a reader and return a descriptor to write to; None if stopped before."""
        while not self._ended.wait(_POLL_S):
            try:
                return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
        return None

    def _write(self, descriptor: int, chunks: Iterable[bytes]) -> None:
        left = self.stall_after
        for chunk in chunks:
            if left is not None and len(chunk) > left:
                self._write_all(descriptor, chunk[:left])
                self._ended.wait()
                return
            if not self._write_all(descriptor, chunk):
                return
            left = None if left is None else left - len(chunk)

    def _write_all(self, descriptor: int, data: bytes) -> bool:
        """Write everything and return True; False if the reader closes early, which is allowed, or on stop."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(descriptor, view[:_WRITE_BYTES]) :]
            except BlockingIOError:
                if self._ended.wait(_POLL_S):
                    return False
            except BrokenPipeError:
                return False
        return True

"""Writing a .rec file and its .idx, byte for byte as MXNet does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from vision.data.recordio.record import (
    CFLAG_SHIFT,
    FIRST,
    LAST,
    MAGIC,
    MAGIC_BYTES,
    MAX_PAYLOAD_BYTES,
    MIDDLE,
    PART_HEADER,
    WHOLE,
    padded,
)
from vision.files.atomic_file import AtomicFile
from vision.files.write_error import make_folder, writing
from vision.settings.errors import DataError


def split_payload(payload: bytes) -> list[bytes]:
    """Cut a payload at every magic that lies at a multiple of 4; the magics themselves are dropped."""
    parts, start = [], 0
    at = payload.find(MAGIC_BYTES)
    while at >= 0:
        search_from = at + 1
        if at % 4 == 0:
            parts.append(payload[start:at])
            start = search_from = at + 4
        at = payload.find(MAGIC_BYTES, search_from)
    return [*parts, payload[start:]]


def frame(payload: bytes) -> Iterator[bytes]:
    """Yield the bytes on disk of one record, in pieces."""
    parts = split_payload(payload)
    for number, part in enumerate(parts):
        if len(parts) == 1:
            cflag = WHOLE
        else:
            cflag = FIRST if number == 0 else LAST if number == len(parts) - 1 else MIDDLE
        yield PART_HEADER.pack(MAGIC, cflag << CFLAG_SHIFT | len(part))
        yield part
        yield bytes(padded(len(part)) - len(part))


class RecordIOWriter:
    """Writes ``path`` and the .idx beside it.

    Both grow under temporary names and get their own when the writer is closed without an error, so an
    interrupted writer leaves nothing that looks complete, and an older file of that name stays until then.
    """

    def __init__(self, path: str | Path) -> None:
        self._rec_path = Path(path)
        self._idx_path = self._rec_path.with_suffix(".idx")
        make_folder(self._rec_path.parent)
        self._rec = AtomicFile(self._rec_path)
        self._idx = AtomicFile(self._idx_path)
        self._offset = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def write(self, record_id: int, payload: bytes | memoryview) -> None:
        """Append one record; ``record_id`` is its key in the .idx. Image payloads come from ``pack``."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            reason = f"the payload has {len(payload)} bytes, but a record holds at most {MAX_PAYLOAD_BYTES}"
            raise DataError(f"{self._rec_path.name} record {self._count} (id {record_id})", reason)
        if not 0 <= record_id < 1 << 64:
            raise DataError(
                f"{self._rec_path.name} record {self._count}",
                f"its id is {record_id}, allowed are 0 to 2^64-1",
            )
        self._idx.write(b"%d\t%d\n" % (record_id, self._offset))
        for piece in frame(bytes(payload)):
            self._offset += self._rec.write(piece)
        self._count += 1

    def close(self) -> None:
        """Finish both files and give them their names."""
        try:
            self._rec.flush()
            self._idx.flush()
            with writing(self._idx_path):
                # An .idx of an older file must never stand beside the new one.
                self._idx_path.unlink(missing_ok=True)
            self._rec.close()
            self._idx.close()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Throw away what was written."""
        self._rec.discard()
        self._idx.discard()

    def __enter__(self) -> RecordIOWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

"""A .rec file with its .idx that grows batch by batch and resumes where a killed process stopped."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

from vision.data.skipped import Skipped
from vision.files.atomic_file import put_in_place
from vision.files.file_lock import try_lock
from vision.files.write_error import make_folder, writing
from vision.settings.errors import UserError
from vision.settings.strict_json import parse_json

# At most so much work is done twice after a kill.
JOURNAL_EVERY_S = 2.0


class Batch(NamedTuple):
    """Records of consecutive lines: their framed bytes, (id, bytes on disk) of each, and what was left out."""

    records: bytes
    sizes: list[tuple[int, int]]
    lines: int
    skipped: list[tuple[str, str]]


class ResumableRecords:
    """Writes ``rec_path`` and its .idx under temporary names, beside a journal of what is safely on disk.

    ``made_from`` states everything that the records depend on. Where the journal of an earlier process states the
    same, its files are cut to what the journal vouches for, and ``lines_done`` lines need not be packed again.
    """

    def __init__(self, rec_path: Path, made_from: str) -> None:
        self.rec_path, self.idx_path = rec_path, rec_path.with_suffix(".idx")
        self.lines_done = self.count = self._offset = 0
        self.skipped = Skipped()
        self._made_from = made_from
        self._pending_skipped: list[tuple[str, str]] = []
        self._journalled_at = -JOURNAL_EVERY_S
        make_folder(rec_path.parent)
        with writing(rec_path):
            self._journal = self._open("journal", "a+b")
            self._lock()
            self._rec, self._idx = self._open("rec", "ab"), self._open("idx", "ab")
            self._continue()

    def append(self, batch: Batch) -> None:
        """Add the records of the next lines. Raises WriteError."""
        with writing(self.rec_path):
            self._rec.write(batch.records)
            for record_id, size in batch.sizes:
                self._idx.write(b"%d\t%d\n" % (record_id, self._offset))
                self._offset += size
            self.count += len(batch.sizes)
            self.lines_done += batch.lines
            self._pending_skipped += batch.skipped
            for name, reason in batch.skipped:
                self.skipped.add(name, reason)
            if time.monotonic() - self._journalled_at >= JOURNAL_EVERY_S:
                self._write_journal()

    def finish(self) -> None:
        """Give both files their names. Raises WriteError."""
        with writing(self.rec_path):
            for file in (self._rec, self._idx):
                file.flush()
                os.fsync(file.fileno())
                file.close()
            # An .idx of an older file must never stand beside the new one.
            self.idx_path.unlink(missing_ok=True)
            put_in_place(Path(self._rec.name), self.rec_path)
            put_in_place(Path(self._idx.name), self.idx_path)
            os.unlink(self._journal.name)
            self._journal.close()

    def __enter__(self) -> ResumableRecords:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
            return
        # On a full disk what the journal vouched for before is what stays.
        with suppress(OSError):
            self._write_journal()
        for file in (self._rec, self._idx, self._journal):
            with suppress(OSError):
                file.close()

    def _open(self, kind: str, mode: str) -> BinaryIO:
        path = self.rec_path.with_name(f".{self.rec_path.stem}.{kind}.unfinished")
        return open(path, mode)  # type: ignore[return-value]

    def _lock(self) -> None:
        if not try_lock(self._journal.fileno()):
            raise UserError(f"{self.rec_path} is being written by another process: wait for it or end it")

    def _continue(self) -> None:
        """Resume from what an earlier process finished, or start from the beginning."""
        self._journal.seek(0)
        entries = _whole_entries(self._journal.read())
        last = entries[-1] if len(entries) > 1 else None
        if not entries or entries[0].get("made_from") != self._made_from or last is None or not self._has(last):
            for file in (self._journal, self._rec, self._idx):
                file.truncate(0)
            self._write_line({"made_from": self._made_from})
            return
        self.lines_done, self.count, self._offset = last["lines"], last["records"], last["rec_bytes"]
        self._rec.truncate(last["rec_bytes"])
        self._idx.truncate(last["idx_bytes"])
        self.skipped = Skipped((name, reason) for entry in entries[1:] for name, reason in entry["left_out"])

    def _has(self, entry: dict[str, Any]) -> bool:
        sizes = [os.fstat(file.fileno()).st_size for file in (self._rec, self._idx)]
        return sizes[0] >= entry["rec_bytes"] and sizes[1] >= entry["idx_bytes"]

    def _write_journal(self) -> None:
        for file in (self._rec, self._idx):
            file.flush()
            os.fsync(file.fileno())
        self._write_line(
            {
                "lines": self.lines_done,
                "records": self.count,
                "rec_bytes": self._offset,
                "idx_bytes": os.fstat(self._idx.fileno()).st_size,
                "left_out": self._pending_skipped,
            }
        )
        self._pending_skipped = []
        self._journalled_at = time.monotonic()

    def _write_line(self, entry: dict[str, Any]) -> None:
        self._journal.write(json.dumps(entry).encode("ascii") + b"\n")
        self._journal.flush()


def _whole_entries(text: bytes) -> list[dict[str, Any]]:
    """Return the journal's complete lines; one cut off by a kill does not count."""
    entries = []
    for line in text.split(b"\n")[:-1]:
        try:
            entries.append(parse_json(line))
        except ValueError:
            break
    return entries

"""What S3 remembers of an object beside its bytes: its ETag, its headers, and whether a folder is an object itself.

A note holds as long as the file is the one it was written for; files that people copy into a bucket have none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLE = """
create table if not exists notes (
    bucket text, key text, size integer, modified_ns integer, etag text, headers text, primary key (bucket, key)
) without rowid
"""


@dataclass(frozen=True)
class Note:
    """``etag`` is without its quotes; ``headers`` come back with the object."""

    etag: str
    headers: dict[str, str]


class ObjectNotes:
    """The notes of all buckets, in one SQLite file. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("pragma journal_mode=wal")
        # A lost note costs a header, not an object.
        self._connection.execute("pragma synchronous=normal")
        self._connection.execute(_TABLE)

    def close(self) -> None:
        self._connection.close()

    def write(self, bucket: str, key: str, status: os.stat_result, etag: str, headers: Mapping[str, str]) -> None:
        """Remember the note of a file with this ``status``."""
        row = (bucket, key, *_identity(key, status), etag, json.dumps(dict(headers)))
        self._run("insert or replace into notes values (?, ?, ?, ?, ?, ?)", row)

    def read(self, bucket: str, key: str, status: os.stat_result) -> Note:
        """Return the object's note; a file without one gets an ETag that changes when the file does."""
        rows = self._run("select size, modified_ns, etag, headers from notes where bucket=? and key=?", (bucket, key))
        size, modified_ns = _identity(key, status)
        for noted_size, noted_ns, etag, headers in rows:
            if (noted_size, noted_ns) == (size, modified_ns):
                return Note(etag, json.loads(headers))
        seen = hashlib.blake2b(f"{size} {modified_ns}".encode(), digest_size=16).hexdigest()
        # Written as that of an upload in parts, which no client takes for an MD5.
        return Note(f"{seen}-1", {})

    def is_marker(self, bucket: str, key: str) -> bool:
        """Return whether a folder's key, ending in "/", is an object that a client has stored."""
        return bool(self._run("select 1 from notes where bucket=? and key=?", (bucket, key)))

    def forget(self, bucket: str, key: str) -> None:
        self._run("delete from notes where bucket=? and key=?", (bucket, key))

    def forget_bucket(self, bucket: str) -> None:
        self._run("delete from notes where bucket=?", (bucket,))

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _identity(key: str, status: os.stat_result) -> tuple[int, int]:
    # A folder changes with what lies in it.
    return (0, 0) if key.endswith("/") else (status.st_size, status.st_mtime_ns)

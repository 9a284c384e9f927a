"""The log lines of jobs and endpoints: one file for each stream, a JSON line [milliseconds, text] for each line."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

_LONGEST_LINE = 16_384


@dataclass(frozen=True)
class LogEvent:
    """One line. ``number`` counts the lines of the stream from 0."""

    number: int
    time_ms: int
    message: str


class LogStore:
    """All log groups and their streams."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def writer(self, group: str, stream: str) -> LogWriter:
        """Return what appends lines to a stream, which exists from now on."""
        path = self._path(group, stream)
        path.parent.mkdir(exist_ok=True)
        return LogWriter(path)

    def streams(self, group: str, prefix: str) -> list[tuple[str, int, int]] | None:
        """Return (name, first and last time in ms) of the streams that begin so; None if there is no group."""
        folder = self._folder / _file_name(group)
        if not folder.is_dir():
            return None
        found = []
        for path in sorted(folder.iterdir()):
            name = unquote(path.name)
            if name.startswith(prefix):
                status = path.stat()
                created = next((event.time_ms for event in _events(path)), int(status.st_mtime * 1000))
                found.append((name, created, int(status.st_mtime * 1000)))
        return found

    def events(self, group: str, stream: str) -> list[LogEvent] | None:
        """Return all lines of a stream, or None if there is no such stream."""
        path = self._path(group, stream)
        return list(_events(path)) if path.is_file() else None

    def groups(self) -> list[str]:
        """Return the names of all groups."""
        return sorted(unquote(folder.name) for folder in self._folder.iterdir())

    def last_events(self, group: str, stream: str, most_bytes: int) -> Iterator[LogEvent]:
        """Yield the lines in the last ``most_bytes`` of a stream one by one, numbered from 0; none if there is none."""
        path = self._path(group, stream)
        return _events(path, most_bytes) if path.is_file() else iter(())

    def _path(self, group: str, stream: str) -> Path:
        return self._folder / _file_name(group) / _file_name(stream)


class LogWriter:
    """Appends lines to a stream. Lines of several threads stay whole."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8")

    def write(self, line: str) -> None:
        """Append a line, with the time that it is."""
        text = json.dumps([time.time_ns() // 1_000_000, line.rstrip("\n")[:_LONGEST_LINE]])
        with self._lock:
            self._file.write(f"{text}\n")
            self._file.flush()

    def close(self) -> None:
        self._file.close()


def _events(path: Path, most_bytes: int | None = None) -> Iterator[LogEvent]:
    with path.open("rb") as file:
        start = 0 if most_bytes is None else max(0, os.fstat(file.fileno()).st_size - most_bytes)
        if start:
            file.seek(start - 1)
            # The rest of a line whose beginning is left out.
            file.readline()
        number = 0
        for line in file:
            event = _event(number, line)
            if event is not None:
                number += 1
                yield event


def _event(number: int, line: bytes) -> LogEvent | None:
    """Return the event in a line; None for one that a killed server left half, alone or before the next line."""
    try:
        time_ms, message = json.loads(line)
    except ValueError:
        return None
    return LogEvent(number, time_ms, message)


def _file_name(text: str) -> str:
    # A dot at the beginning could make "..", and clients ask for names that are empty or too long for a file.
    return quote(text, safe="", errors="replace").replace(".", "%2E")[:255] or "%"

"""What exists here beside files: jobs, models, endpoints, in one SQLite file that outlives the server."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.aws.failure import ServiceFailure

_TABLE = """
create table if not exists resources (
    kind text, name text, created_s real, modified_s real, state text, primary key (kind, name)
) without rowid
"""
_NUMBERS = "create table if not exists numbers (number integer primary key autoincrement)"


@dataclass(frozen=True)
class Resource:
    """One resource: its ``kind``, as ``training-job``, its name, and ``state``, JSON values of its kind."""

    kind: str
    name: str
    created_s: float
    modified_s: float
    state: dict[str, Any]


class Registry:
    """All resources. Safe for several threads; each change is on disk when the call returns."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("pragma journal_mode=wal")
        self._connection.execute("pragma synchronous=full")
        self._connection.execute(_TABLE)
        self._connection.execute(_NUMBERS)

    def add(self, kind: str, name: str, state: Mapping[str, Any]) -> Resource:
        """Add a resource. Raises ServiceFailure if the name is taken."""
        now = time.time()
        try:
            with self._lock:
                row = (kind, name, now, now, json.dumps(state))
                self._connection.execute("insert into resources values (?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise ServiceFailure(
                400, "ResourceInUse", f"{kind.replace('-', ' ')} {name} already exists: take another name"
            ) from None
        return Resource(kind, name, now, now, dict(state))

    def draw_number(self) -> int:
        """Return a number from 1 on that was never returned before."""
        with self._lock:
            number = self._connection.execute("insert into numbers default values").lastrowid
            self._connection.execute("delete from numbers")
        assert number is not None
        return number

    def find(self, kind: str, name: str) -> Resource | None:
        """Return a resource, or None."""
        with self._lock:
            rows = self._connection.execute("select * from resources where kind=? and name=?", (kind, name)).fetchall()
        return _resource(rows[0]) if rows else None

    def all(self, kind: str) -> list[Resource]:
        """Return the resources of a kind, the oldest first."""
        with self._lock:
            rows = self._connection.execute(
                "select * from resources where kind=? order by created_s, name", (kind,)
            ).fetchall()
        return [_resource(row) for row in rows]

    def latest(self, kind: str, most: int) -> list[Resource]:
        """Return at most ``most`` resources of a kind, the youngest first."""
        with self._lock:
            rows = self._connection.execute(
                "select * from resources where kind=? order by created_s desc, name limit ?", (kind, most)
            ).fetchall()
        return [_resource(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return how many resources there are of each kind."""
        with self._lock:
            return dict(self._connection.execute("select kind, count(*) from resources group by kind").fetchall())

    def update(self, kind: str, name: str, **changes: Any) -> None:
        """Set values of a resource's state; one that was deleted meanwhile stays so."""
        with self._lock:
            found = self.find(kind, name)
            if found is not None:
                row = (json.dumps(found.state | changes), time.time(), kind, name)
                self._connection.execute("update resources set state=?, modified_s=? where kind=? and name=?", row)

    def change(self, kind: str, name: str, edit: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]) -> bool:
        """Set what ``edit`` makes of a resource's state, in one step. Return False if it is gone or nothing is made."""
        with self._lock:
            found = self.find(kind, name)
            changes = None if found is None else edit(found.state)
            if changes is None:
                return False
            self.update(kind, name, **changes)
            return True

    def leave(self, now: str, kind: str, name: str, **changes: Any) -> bool:
        """Set values of a resource whose status is ``now``. Return False if it has another one by then."""
        return self.change(kind, name, lambda state: changes if state.get("status") == now else None)

    def remove(self, kind: str, name: str) -> None:
        """Remove a resource if it is there."""
        with self._lock:
            self._connection.execute("delete from resources where kind=? and name=?", (kind, name))


def _resource(row: tuple[Any, ...]) -> Resource:
    kind, name, created_s, modified_s, state = row
    return Resource(kind, name, created_s, modified_s, json.loads(state))

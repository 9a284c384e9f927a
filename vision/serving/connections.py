"""The open connections of a worker: how many there may be, how long each may wait, and which is closed for a new one.

A connection costs a file descriptor and the bytes of its body, so both are bounded. One whose request is in work is
never closed from here.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import resource
import time
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from vision.data.allocation import return_freed_memory
from vision.serving.metrics import Metrics
from vision.settings.errors import UserError

log = logging.getLogger(__name__)

# Longer than the limit of the platform and of most clients, so that this server never closes a connection in use.
KEEP_ALIVE_S = 75
_REST_S = 30.0
_LOOK_S = 0.5
# A connection younger than this is not regarded as idle.
_GRACE_S = 0.5
# File descriptors for models that are loaded, and for connections that are just being closed.
_SPARE_FILES = 32
# Connections that are never used for work, so that /ping is always answered.
_NOT_FOR_WORK = 8
_FEWEST_PLACES = 2 * _NOT_FOR_WORK
# Freed memory of bodies that is kept; more is given back to the system.
_KEPT_BODY_BYTES = 32 << 20
_SECONDS_BETWEEN_LOGS = 10.0


class Stage(Enum):
    """What a connection is doing. The value is its name in the metrics."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    WORK = "work"
    REST = "rest"
    """The rest of a refused request is being discarded, or the client does not read its answer."""


class Connection(Protocol):
    """What a connection can do. It reports its own end by ``Connections.leave``."""

    def expire(self, stage: Stage) -> None:
        """Close, after too long a time in a stage."""

    def give_way(self, reason: str) -> None:
        """Close at once, because others need the place or the memory."""


@dataclass(frozen=True)
class ConnectionLimits:
    """``connections`` at once, ``head_timeout_s`` for the head of a request, and ``body_bytes`` of all together."""

    connections: int
    head_timeout_s: float
    body_bytes: float


class Connections:
    """All connections, by stage and in the order in which they entered it."""

    def __init__(self, limits: ConnectionLimits, metrics: Metrics) -> None:
        self._metrics = metrics
        self._limits_s = {Stage.IDLE: KEEP_ALIVE_S, Stage.HEAD: limits.head_timeout_s, Stage.REST: _REST_S}
        self._entered_s: dict[Stage, dict[Connection, float]] = {stage: {} for stage in Stage}
        self._stages: dict[Connection, Stage] = {}
        self._wanted = limits.connections
        self.places = self._wanted
        self._most_body_bytes = limits.body_bytes
        self._body_bytes = self._peak_body_bytes = 0
        self._closed = 0
        self._logged_s = -_SECONDS_BETWEEN_LOGS

    def __len__(self) -> int:
        return len(self._stages)

    @property
    def places_for_work(self) -> int:
        """Return how many connections may have a request in work at the same time."""
        return self.places - _NOT_FOR_WORK

    def fit_open_files(self) -> None:
        """Lower ``places`` to what the limit of open files allows. Raises UserError if that is too few."""
        limit = _raise_file_limit(self._wanted)
        others = len(os.listdir("/proc/self/fd")) - len(self)
        self.places = min(self._wanted, limit - others - _SPARE_FILES)
        if self.places < _FEWEST_PLACES:
            raise UserError(
                f"{limit} files may be open at once and {others} are needed before a client comes: raise the limit"
                f" to {others + _SPARE_FILES + _FEWEST_PLACES} or more (ulimit -n)"
            )

    def admit(self, connection: Connection) -> bool:
        """Add a new connection, if necessary in place of a waiting one. Returns False if all are in work."""
        if len(self) >= self.places and not self._make_room():
            return False
        self.enter(connection, Stage.IDLE)
        return True

    def enter(self, connection: Connection, stage: Stage) -> None:
        """Record the stage that a connection has entered."""
        former = self._stages.get(connection)
        if former is not stage:
            if former is not None:
                del self._entered_s[former][connection]
            self._stages[connection] = stage
            self._entered_s[stage][connection] = time.monotonic()

    def leave(self, connection: Connection) -> None:
        """Forget a connection. Calling it again changes nothing."""
        stage = self._stages.pop(connection, None)
        if stage is not None:
            del self._entered_s[stage][connection]

    def hold(self, change: int) -> None:
        """Add to the bytes of bodies in memory, negative when freed. Closes uploads if there are too many."""
        self._body_bytes += change
        self._peak_body_bytes = max(self._peak_body_bytes, self._body_bytes)
        while self._body_bytes > self._most_body_bytes and self._entered_s[Stage.BODY]:
            self._close(next(iter(self._entered_s[Stage.BODY])), "the bodies of all requests take too much memory")

    async def watch(self) -> None:
        """Close connections that wait too long and give memory back, until the task is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            now = time.monotonic()
            for stage, limit_s in self._limits_s.items():
                # The first has waited longest; an expired connection leaves this stage.
                for connection, entered_s in list(self._entered_s[stage].items()):
                    if now - entered_s < limit_s:
                        break
                    connection.expire(stage)
            self._metrics.put("vision_connections", len(self))
            if self._peak_body_bytes > max(_KEPT_BODY_BYTES, 4 * self._body_bytes):
                self._peak_body_bytes = self._body_bytes
                await asyncio.to_thread(return_freed_memory)

    def _make_room(self) -> bool:
        """Close the connection that has waited longest; an upload only if all others have just come."""
        now = time.monotonic()
        firsts = [
            (entered_s, stage, connection)
            for stage in (Stage.IDLE, Stage.HEAD, Stage.REST, Stage.BODY)
            for connection, entered_s in itertools.islice(self._entered_s[stage].items(), 1)
        ]
        waiting = [first for first in firsts if first[1] is not Stage.BODY and now - first[0] > _GRACE_S]
        if not firsts:
            self._log_closed("all are in work")
            return False
        *_, connection = min(waiting or firsts, key=lambda first: first[0])
        self._close(connection, f"all {self.places} places are taken (max_connections, ulimit -n)")
        return True

    def _close(self, connection: Connection, reason: str) -> None:
        self._metrics.count("vision_shed_connections_total", f'stage="{self._stages[connection].value}"')
        connection.give_way(reason)
        self._log_closed(reason)

    def _log_closed(self, reason: str) -> None:
        """Log how many were closed, at most every few seconds."""
        self._closed += 1
        if time.monotonic() - self._logged_s >= _SECONDS_BETWEEN_LOGS:
            log.warning("vision: %s; closed to make room since this was last said: %d", reason, self._closed)
            self._logged_s, self._closed = time.monotonic(), 0


def _raise_file_limit(connections: int) -> int:
    """Raise this process's limit of open files for ``connections`` if it may; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 1024
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted

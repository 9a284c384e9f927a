"""A process that serves a model for this server's own calls, started by the first of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence

from vision.aws.endpoint_worker import EndpointWorker
from vision.aws.failure import ServiceFailure
from vision.aws.local_connection import Answer, LocalConnections
from vision.aws.logs.log_store import LogStore

LOG_GROUP = "/aws/rekognition/Collections"
# Clients give up after 60.
_START_S = 55.0
_LOOK_S = 0.05


class LazyWorker:
    """``words`` are settings of ``vision serve``. The next call starts a process that has ended by itself again."""

    def __init__(self, name: str, words: Sequence[str], logs: LogStore) -> None:
        self._name, self._words, self._logs = name, words, logs
        self._worker: EndpointWorker | None = None
        self._connections: LocalConnections | None = None
        self._last_words: str | None = None
        self._lock = threading.Lock()

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the answer to a call. Raises ServiceFailure if there is none."""
        connections = await self._started()
        try:
            return await connections.ask(method, target, headers, body)
        except OSError as error:
            raise _failure(f"the process of the {self._name} did not answer: {error}") from error

    def end(self) -> None:
        """End the process."""
        with self._lock:
            worker, self._worker, self._connections = self._worker, None, None
        if worker is not None:
            worker.end()

    async def _started(self) -> LocalConnections:
        until_s = time.monotonic() + _START_S
        with self._lock:
            if self._worker is None:
                self._last_words = None
                self._worker = EndpointWorker(
                    self._name,
                    self._words,
                    {},
                    log=self._logs.writer(LOG_GROUP, self._name.replace(" ", "-")),
                    ready=self._ready,
                    ended=self._ended,
                )
        while self._connections is None:
            if self._last_words is not None:
                raise _failure(f"the process of the {self._name} has ended: {self._last_words}")
            if time.monotonic() > until_s:
                raise _failure(f"the {self._name} is still being loaded; ask again in a moment")
            await asyncio.sleep(_LOOK_S)
        return self._connections

    def _ready(self, worker: EndpointWorker) -> None:
        with self._lock:
            if worker is self._worker:
                self._connections = LocalConnections(worker.port)

    def _ended(self, worker: EndpointWorker, words: str) -> None:
        """Note that a process has ended by itself."""
        with self._lock:
            if worker is self._worker:
                self._worker = self._connections = None
                self._last_words = words[:500]


def _failure(sentence: str) -> ServiceFailure:
    return ServiceFailure(500, "InternalServerError", sentence)

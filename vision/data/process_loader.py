"""Batches made by further processes, whose errors and deaths come as sentences."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import Any

from torch.utils.data import DataLoader, _utils
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from vision.data.collate import Batch
from vision.settings.errors import DataError, UserError

_POLL_S = 2.0
_GONE_S = 5.0


class ProcessLoader(DataLoader[Batch]):
    """torch's DataLoader over a dataset that makes whole batches.

    A loader process that is killed, or gives nothing for ``timeout`` seconds, ends the run with a UserError, and so
    does a UserError in one of them, whose sentence torch would bury in a traceback.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches: Any = self._iterator
        try:
            # Waits too, for processes that go on with the next pass.
            batches = super().__iter__()
            while (batch := next(batches, None)) is not None:
                if isinstance(batch, UserError):
                    _end_processes(batches)
                    raise batch
                yield batch
        except (RuntimeError, EOFError, OSError) as error:
            sentence = _sentence(error, batches, self.timeout)
            if sentence is None:
                raise
            _end_processes(batches)
            raise UserError(sentence) from error

    def _get_iterator(self) -> Any:
        return _Batches(self) if self.num_workers else super()._get_iterator()


class _Batches(_MultiProcessingDataLoaderIter):
    """torch's own, which here sees a dead process within seconds, and only while it waits for one.

    A batch is fetched from its process without a time-out: a thread ends processes that are stopped in the midst.
    """

    def __init__(self, loader: ProcessLoader) -> None:
        super().__init__(loader)
        # Else a signal raises the error at whatever place the run is then, be it with a lock held.
        _utils.signal_handling._remove_worker_pids(id(self))
        self._worker_pids_set = False
        self.has_stalled = False
        self._deadline: float | None = None
        threading.Thread(target=_end_stalled, args=(weakref.ref(self),), name="loader watch", daemon=True).start()

    def _try_get_data(self, timeout: float = _utils.MP_STATUS_CHECK_INTERVAL) -> tuple[bool, Any]:
        self._deadline = deadline = time.monotonic() + timeout
        try:
            while True:
                # Looks after the processes when its time is over.
                found = super()._try_get_data(max(0.0, min(_POLL_S, deadline - time.monotonic())))
                if found[0] or time.monotonic() >= deadline:
                    return found
        finally:
            self._deadline = None

    def end_if_stalled(self) -> None:
        """Kill the processes if a batch should long have come."""
        deadline = self._deadline
        if deadline is not None and time.monotonic() > deadline + _POLL_S:
            self.has_stalled = True
            for worker in self._workers:
                worker.kill()


def _end_stalled(reference: weakref.ref[_Batches]) -> None:
    while True:
        time.sleep(_POLL_S)
        batches = reference()
        if batches is None or batches._shutdown:
            return
        batches.end_if_stalled()
        del batches


def _end_processes(batches: Any) -> None:
    """A stopped process takes no request to end, and Python would wait for it for ever."""
    for worker in getattr(batches, "_workers", ()):
        worker.kill()
    for worker in getattr(batches, "_workers", ()):
        worker.join(_GONE_S)


class TellsErrors:
    """A dataset that gives a UserError in place of a batch, for loader processes, which cannot raise one to the run."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, draw: Any) -> Any:
        try:
            return self.dataset.__getitems__(draw)
        except UserError as error:
            # Only what is sure to arrive: the sentence, in a class that pickles.
            return error if isinstance(error, DataError) else UserError(str(error))


def _sentence(error: Exception, batches: Any, timeout_s: float) -> str | None:
    """Say that loader processes are stopped or were ended, if that is behind an error; None for others."""
    if "timed out after" in str(error) or getattr(batches, "has_stalled", False):
        return (
            f"no loader process gave a batch within {timeout_s:g} s (run.stall_timeout_s): a process is stopped, or "
            f"the disk or network drive of the data hangs; see to it, then go on with run.resume=true"
        )
    workers = getattr(batches, "_workers", ())
    # The end of its connection shows a little earlier than its own, and that of its files earlier than its status.
    gone = wait([worker.sentinel for worker in workers], 0 if type(error) is RuntimeError else _GONE_S)
    for worker in workers:
        if worker.sentinel in gone:
            worker.join(_GONE_S)
    ended = [f"process {worker.pid} with status {worker.exitcode}" for worker in workers if not worker.is_alive()]
    if not ended:
        return None
    return (
        f"a loader process was ended from outside, perhaps for want of memory ({', '.join(ended)}): lower "
        f"run.workers, or free memory, then go on with run.resume=true"
    )

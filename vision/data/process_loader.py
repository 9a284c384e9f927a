"""Batches made by further processes, whose errors and deaths come as sentences."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, _utils
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from vision.settings.errors import DataError, UserError

_POLL_S = 2.0


class ProcessLoader(DataLoader):
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
        except RuntimeError as error:
            sentence = _sentence(str(error), self.timeout)
            if sentence is None:
                raise
            _end_processes(batches)
            raise UserError(sentence) from error

    def _get_iterator(self) -> Any:
        return _Batches(self) if self.num_workers else super()._get_iterator()


class _Batches(_MultiProcessingDataLoaderIter):
    """torch's own, which here sees a dead process within seconds, and only while it waits for one."""

    def __init__(self, loader: ProcessLoader) -> None:
        super().__init__(loader)
        # Else a signal raises the error at whatever place the run is then, be it with a lock held.
        _utils.signal_handling._remove_worker_pids(id(self))
        self._worker_pids_set = False

    def _try_get_data(self, timeout: float = _utils.MP_STATUS_CHECK_INTERVAL) -> tuple[bool, Any]:
        deadline = time.monotonic() + timeout
        while True:
            # Looks after the processes when its time is over.
            found = super()._try_get_data(max(0.0, min(_POLL_S, deadline - time.monotonic())))
            if found[0] or time.monotonic() >= deadline:
                return found


def _end_processes(batches: Any) -> None:
    """A stopped process takes no request to end, and Python would wait for it for ever."""
    for worker in getattr(batches, "_workers", ()):
        worker.kill()
    for worker in getattr(batches, "_workers", ()):
        worker.join()


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


def _sentence(said: str, timeout_s: float) -> str | None:
    """Put torch's words for the death of a loader process into ours; None for other errors."""
    if "timed out after" in said:
        return (
            f"no loader process gave a batch within {timeout_s:g} s (run.stall_timeout_s): a process is stopped, or "
            f"the disk or network drive of the data hangs; see to it, then go on with run.resume=true"
        )
    if "worker" in said and ("killed by signal" in said or "exited unexpectedly" in said):
        return (
            f"a loader process was ended from outside, perhaps for want of memory ({said.split('.')[0][:200]}): lower "
            f"run.workers, or free memory, then go on with run.resume=true"
        )
    return None

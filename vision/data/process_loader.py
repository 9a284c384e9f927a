"""Batches made by further processes, whose errors and deaths come as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from vision.settings.errors import DataError, UserError


class ProcessLoader(DataLoader):
    """torch's DataLoader over a dataset that makes whole batches.

    A loader process that is killed, or gives nothing for ``timeout`` seconds, ends the run with a UserError, and so
    does a UserError in one of them, whose sentence torch would bury in a traceback.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = super().__iter__()
        while True:
            try:
                batch = next(batches, None)
            except RuntimeError as error:
                sentence = _sentence(str(error), self.timeout)
                if sentence is None:
                    raise
                self._end_processes(batches)
                raise UserError(sentence) from error
            if batch is None:
                return
            if isinstance(batch, UserError):
                self._end_processes(batches)
                raise batch
            yield batch

    @staticmethod
    def _end_processes(batches: Any) -> None:
        """A stopped process takes no request to end, and Python would wait for it for ever."""
        for worker in getattr(batches, "_workers", ()):
            worker.kill()


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

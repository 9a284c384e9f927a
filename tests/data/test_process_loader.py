from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from vision.data.process_loader import ProcessLoader, TellsErrors, _sentence
from vision.files.steady_file import FileChangedError
from vision.settings.errors import DataError, UserError


class Batches:
    """Makes lists of its process and a tensor of an index; batch ``bad`` is an error."""

    def __init__(self, error: Exception | None = None, bad: int = -1) -> None:
        self.error = error
        self.bad = bad

    def __getitems__(self, indices: list[int]) -> list[tuple[int, Tensor]]:
        if self.error is not None and self.bad in indices:
            raise self.error
        return [(os.getpid(), torch.tensor(index)) for index in indices]


def loader(batches: Batches, timeout_s: float = 100.0, count: int = 1000) -> ProcessLoader:
    return ProcessLoader(
        TellsErrors(batches),  # type: ignore[arg-type]
        batch_sampler=[[index] for index in range(count)],
        collate_fn=lambda batch: batch,
        num_workers=3,
        persistent_workers=True,
        timeout=timeout_s,
        multiprocessing_context="fork",
    )


def processes_of(batches: Iterator[Any]) -> set[int]:
    return {next(batches)[0][0] for _ in range(3)}


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_batches_come_in_order() -> None:
    assert [batch[0][1] for batch in loader(Batches())] == list(range(1000))


def test_a_stopped_process_is_a_sentence_in_time_and_none_is_left() -> None:
    batches = iter(loader(Batches(), timeout_s=10.0))
    processes = processes_of(batches)
    assert len(processes) == 3
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    with pytest.raises(UserError, match=r"no loader process gave a batch within 10 s \(run.stall_timeout_s\)"):
        list(batches)
    del batches
    assert not any(map(is_there, processes))


def test_a_process_killed_between_two_passes_is_a_sentence() -> None:
    again = loader(Batches(), count=6)
    processes = [batch[0][0] for batch in again]
    os.kill(processes[0], signal.SIGKILL)
    with pytest.raises(UserError, match="a loader process was ended from outside"):
        list(again)
    assert not any(map(is_there, processes))


def test_a_killed_process_is_a_sentence_and_none_is_left() -> None:
    batches = iter(loader(Batches()))
    processes = processes_of(batches)
    os.kill(min(processes), signal.SIGKILL)
    with pytest.raises(UserError, match="a loader process was ended from outside"):
        list(batches)
    del batches
    assert not any(map(is_there, processes))


def test_a_process_that_has_closed_its_files_is_waited_for() -> None:
    worker = multiprocessing.get_context("fork").Process(target=end_slowly)
    worker.start()
    sentence = _sentence(ConnectionResetError(), SimpleNamespace(_workers=[worker]), 100.0)
    assert sentence is not None
    assert f"process {worker.pid} with status 7" in sentence


def end_slowly() -> None:
    """Die as the kernel lets a killed process die on a busy machine: its files first, its status later."""
    os.closerange(3, 4096)
    time.sleep(0.3)
    os._exit(7)


ERRORS = [
    (DataError("a.rec record 7", "holds no image"), DataError),
    (FileChangedError("a.rec had 9 bytes when it was opened and has 4 now"), UserError),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS, ids=["data", "changed"])
def test_an_error_of_the_user_arrives_as_it_was(error: Exception, kind: type[Exception]) -> None:
    found: list[int] = []
    with pytest.raises(kind) as caught:
        found.extend(batch[0][1] for batch in loader(Batches(error, bad=20)))
    assert str(caught.value) == str(error)


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError, match="Original Traceback"):
        list(loader(Batches(ZeroDivisionError("by zero"), bad=20)))

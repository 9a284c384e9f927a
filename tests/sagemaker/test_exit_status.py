from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from vision.sagemaker.exit_status import exit_status_of
from vision.settings.errors import DataError, SettingsError


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


ERRORS: list[tuple[BaseException, int, str]] = [
    (SettingsError(["Hyperparameter a is 1.", "Channel train is x."]), 2, "ClientError: Hyperparameter a is 1.\n"),
    (DataError("train.rec record 7", "is cut off"), 2, "ClientError: train.rec record 7: is cut off"),
    (OutOfMemoryError("CUDA out of memory"), 2, "ClientError: the memory is used up (CUDA out of memory): lower mini"),
    (RuntimeError("can't allocate memory: you tried 8 bytes"), 2, "ClientError: the memory is used up (can't allocate"),
    (RuntimeError("shapes differ"), 1, "Algorithm Error: RuntimeError: shapes differ (a defect of the algorithm"),
    (OSError(errno.ENOSPC, "No space left"), 2, "ClientError: a file cannot be written, since the disk is full"),
    (ValueError("odd"), 1, "Algorithm Error: ValueError: odd (a defect of the algorithm"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "status", "text"), ERRORS)
def test_every_error_has_its_status_and_its_sentence(
    tmp_path: Path, error: BaseException, status: int, text: str
) -> None:
    def work() -> int:
        raise error

    failure = tmp_path / "output" / "failure"
    assert exit_status_of(work, failure) == status
    assert failure.read_text().startswith(text)


def test_a_job_that_ends_well_leaves_no_failure(tmp_path: Path) -> None:
    assert exit_status_of(lambda: 0, tmp_path / "failure") == 0
    assert not (tmp_path / "failure").exists()


def test_sigterm_before_training_ends_with_its_status(tmp_path: Path) -> None:
    def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("goes on after SIGTERM")

    former = signal.getsignal(signal.SIGTERM)
    try:
        assert exit_status_of(work, tmp_path / "failure") == 143
    finally:
        signal.signal(signal.SIGTERM, former)
    assert not (tmp_path / "failure").exists()


def test_a_failure_file_that_cannot_be_written_does_not_hide_the_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").write_text("a file where the folder should be")

    def work() -> int:
        raise DataError("train.rec", "is empty")

    assert exit_status_of(work, tmp_path / "output" / "failure") == 2
    assert "ClientError: train.rec: is empty" in capsys.readouterr().err

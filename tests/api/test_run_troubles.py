"""What happens to runs: files that shrink, loader processes that stop, two runs in one folder, a terminal that goes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.run_process import RunProcess, start_run
from vision.artifacts.model_folder import load_model

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def runs() -> Iterator[list[RunProcess]]:
    """Started by a test, and ended with it."""
    started: list[RunProcess] = []
    yield started
    for run in started:
        run.process.kill()
        run.process.join()


@pytest.fixture
def own(channels: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Channels that a test may spoil."""
    return {name: str(shutil.copy(path, tmp_path)) for name, path in channels.items()}


def test_a_folder_has_one_run_that_may_be_killed_lose_its_data_and_its_terminal(
    own: dict[str, str], channels: dict[str, str], tmp_path: Path, runs: list[RunProcess]
) -> None:
    folder = tmp_path / "run"
    first = start_run(own, folder)
    runs.append(first)
    first.wait_for_checkpoint()
    second = start_run(own, folder, resume="true")
    runs.append(second)
    assert second.status() == 2, second.said
    assert f"{folder} is in use: a run is at work there (process {first.pid} on " in second.said

    first.process.kill()
    assert first.status() == -signal.SIGKILL, first.said
    assert (folder / ".running").exists()
    third = start_run(own, folder, resume="true")
    runs.append(third)
    third.wait_for_checkpoint()
    os.truncate(own["train"], 4096)
    assert third.status() == 2, third.said
    assert "bytes when it was opened and has 4096 now; it must not change while it is in use" in third.said
    assert "Traceback" not in third.said
    assert not (folder / ".running").exists()

    fourth = start_run(channels, folder, resume="true")
    runs.append(fourth)
    fourth.wait_for_checkpoint()
    os.kill(fourth.pid, signal.SIGHUP)
    assert fourth.status() == 128 + signal.SIGHUP, fourth.said
    assert load_model(folder / "model.tar.gz").algorithm == "image_classification"


def test_a_killed_loader_process_ends_a_run_in_a_sentence(
    channels: dict[str, str], tmp_path: Path, runs: list[RunProcess]
) -> None:
    run = start_run(channels, tmp_path / "run", workers=3)
    runs.append(run)
    run.wait_for_checkpoint()
    loaders = run.loaders
    assert len(loaders) >= 3
    os.kill(loaders[0], signal.SIGKILL)
    assert run.status() == 2, run.said
    assert "a loader process was ended from outside" in run.said
    assert "Traceback" not in run.said
    assert not any(Path(f"/proc/{loader}/cmdline").exists() for loader in loaders)


def test_a_disk_cache_clears_what_a_kill_left_and_survives_a_writer_in_a_sentence(
    channels: dict[str, str], tmp_path: Path, runs: list[RunProcess]
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    stray = cache / ".0123.decoded.part"
    stray.write_bytes(bytes(1 << 20))
    run = start_run(channels, tmp_path / "run", cache="disk", cache_folder=cache)
    runs.append(run)
    run.wait_for_checkpoint()
    assert not stray.exists()
    files = sorted(cache.glob("*.decoded"), key=lambda file: file.stat().st_size)
    assert len(files) == 2
    files[-1].chmod(0o600)
    # Waits until the run has seen it.
    os.truncate(files[-1], 100)
    assert run.status() == 2, run.said
    assert "must not" in run.said
    assert "Traceback" not in run.said
    assert (tmp_path / "run/checkpoints/last.ckpt").exists()

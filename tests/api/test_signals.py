"""Real processes, really killed: what a user types, what the operating system sends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tests.api.conftest import job
from vision.api import train
from vision.artifacts.model_folder import load_model

TIMEOUT_S = 200
EPOCHS = 12


@contextmanager
def training(channels: dict[str, str], folder: Path, *, resume: bool) -> Iterator[subprocess.Popen[str]]:
    settings = ["num_classes=3", "num_training_samples=60", "num_layers=20", "image_shape=3,16,16"]
    settings += ["mini_batch_size=20", f"epochs={EPOCHS}", "learning_rate=0.05"]
    runs = [
        f"output={folder}",
        "device=cpu",
        "workers=0",
        "checkpoint_every_steps=1",
        f"resume={resume}",
        "report=false",
    ]
    command = [sys.executable, "-m", "vision", "train", "algorithm=image_classification"]
    command += [f"hp.{text}" for text in settings] + [f"run.{text}" for text in runs]
    command += [f"channels.{name}={path}" for name, path in channels.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_new_checkpoint(folder: Path, process: subprocess.Popen[str]) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    before = path.stat().st_mtime_ns if path.exists() else 0
    end = time.monotonic() + TIMEOUT_S
    while not path.exists() or path.stat().st_mtime_ns == before:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "no checkpoint in time"
        time.sleep(0.02)


def test_killed_and_terminated_runs_end_with_the_same_bits(channels: dict[str, str], tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = train(job(channels, tmp_path / "whole", epochs=EPOCHS))
    finally:
        torch.set_num_threads(threads)
    folder = tmp_path / "parts"
    with training(channels, folder, resume=False) as process:
        wait_for_new_checkpoint(folder, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait(TIMEOUT_S) == -signal.SIGKILL
    with training(channels, folder, resume=True) as process:
        wait_for_new_checkpoint(folder, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 128 + signal.SIGTERM
    assert load_model(folder / "model.tar.gz").algorithm == "image_classification"
    with training(channels, folder, resume=True) as process:
        _, errors = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, errors
    found, kept = load_model(folder / "model"), load_model(expected.folder.model)
    assert found.epoch == kept.epoch
    assert found.weights.sha256 == kept.weights.sha256
    last, uninterrupted = (torch.load(run / "checkpoints/last.ckpt") for run in (folder, tmp_path / "whole"))
    assert torch.equal(last["rng_state"], uninterrupted["rng_state"])

"""The training container's work in this process, where no process of its own is needed to show something."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.training_jobs import HYPERPARAMETERS, machine, records
from vision.sagemaker.exit_status import exit_status_of
from vision.sagemaker.pipe_feeder import file_bytes
from vision.sagemaker.simulator import Simulator
from vision.sagemaker.train import train


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    monkeypatch.setenv("VISION_ALGORITHM", "image-classification")
    former = signal.getsignal(signal.SIGTERM)
    made = machine(tmp_path / "ml")
    yield made
    signal.signal(signal.SIGTERM, former)
    for feeder in made.feeders:
        feeder.stop()


def test_a_stalled_pipe_ends_the_job_with_a_sentence(
    platform: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISION_RUN_STALL_TIMEOUT_S", "1")
    data = records(tmp_path / "data")
    pipe = {"TrainingInputMode": "Pipe", "ContentType": "application/x-recordio"}
    platform.write(HYPERPARAMETERS, {})
    platform.write_config("inputdataconfig.json", {"train": pipe, "validation": pipe})
    platform.feed("train", file_bytes([data]), stall_after=2000)
    assert exit_status_of(lambda: train(platform.prefix), platform.prefix.failure) == 2
    failure = platform.prefix.failure.read_text()
    assert failure.startswith("ClientError: the pipe train_0 stalled: no data for 1 s")

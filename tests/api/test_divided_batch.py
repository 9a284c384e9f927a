"""Batches that do not fit the memory: into how many parts they are divided, and what training makes of that."""

from __future__ import annotations

import copy
import json
import logging
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.api.conftest import job
from vision import algorithms
from vision.api import divided_batch, train
from vision.api.divided_batch import fewest_parts, step_fits
from vision.api.run_data import dataset, open_run_data
from vision.api.start_model import start_model
from vision.data.dataset import ImageDataset
from vision.settings.errors import SettingsError


@pytest.mark.parametrize(
    ("batch", "fitting", "parts"),
    [(64, 64, 1), (64, 63, 2), (64, 20, 4), (30, 10, 3), (30, 1, 15), (7, 3, 1), (1, 0, 1)],
)
def test_a_batch_has_as_few_equal_parts_as_fit(batch: int, fitting: int, parts: int) -> None:
    assert fewest_parts(batch, lambda size: size <= fitting) == parts


def test_training_with_little_memory_makes_as_many_steps(
    channels: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(divided_batch, "free_memory_bytes", lambda: 1)
    with caplog.at_level(logging.WARNING):
        result = train(job(channels, tmp_path / "run", {"fit_memory": True}, epochs=1))
    assert "10 of 2 images make a step together" in caplog.text
    stored = json.loads(result.folder.settings.read_text())
    assert (stored["hyperparameters"]["mini_batch_size"], stored["run"]["accumulate"]) == ("2", 10)
    checkpoint = torch.load(result.folder.checkpoints / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3

    # A run goes on as it began, whatever is free now.
    monkeypatch.setattr(divided_batch, "free_memory_bytes", lambda: 10**12)
    resumed = train(job(channels, tmp_path / "run", {"fit_memory": True, "resume": True}, epochs=2))
    assert resumed.job.run.accumulate == 10
    with pytest.raises(SettingsError, match=r"hp\.mini_batch_size is 30"):
        train(job(channels, tmp_path / "run", {"fit_memory": True, "resume": True}, epochs=2, mini_batch_size=30))


def test_with_enough_memory_nothing_changes(channels: dict[str, str], tmp_path: Path) -> None:
    plain = train(job(channels, tmp_path / "plain", epochs=1))
    fitting = train(job(channels, tmp_path / "fitting", {"fit_memory": True}, epochs=1))
    assert fitting.history[-1]["train_loss"] == plain.history[-1]["train_loss"]
    assert fitting.job.run.accumulate == 1


@pytest.mark.parametrize(("error", "fits"), [(None, True), ("CUDA out of memory", False)])
def test_a_step_says_whether_it_fits_and_changes_nothing(
    channels: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str | None, fits: bool
) -> None:
    given = job(channels, tmp_path, {"precision": "bfloat16"})
    algorithm = algorithms.get(given.algorithm)
    images = dataset(algorithm, given, open_run_data(algorithm, given).train, "train")
    assert isinstance(images, ImageDataset)
    start, cpu = start_model(algorithm, given), torch.device("cpu")
    before = {name: value.clone() for name, value in start.network.state_dict().items()}

    def bytes_left(device: torch.device) -> int:
        if error is not None:
            raise RuntimeError(error)
        return 1000

    networks: list[weakref.ref[nn.Module]] = []

    def followed_copy(network: nn.Module) -> nn.Module:
        made = copy.deepcopy(network)
        networks.append(weakref.ref(made))
        return made

    given_back: list[bool] = []
    monkeypatch.setattr(divided_batch, "copy", SimpleNamespace(deepcopy=followed_copy))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given_back.append(networks[-1]() is None))
    monkeypatch.setattr(divided_batch, "free_device_bytes", bytes_left)
    example = images.read(0, 0)
    assert step_fits(algorithm, given, images, start, cpu, 1, example, 4) is fits
    # What is still in use would stay with the process, and not count as free in the next try.
    assert given_back == [True]
    assert all(torch.equal(value, before[name]) for name, value in start.network.state_dict().items())
    monkeypatch.setattr(divided_batch, "free_device_bytes", lambda device: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        step_fits(algorithm, given, images, start, cpu, 1, example, 4)

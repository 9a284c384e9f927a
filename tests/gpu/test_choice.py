"""Which device a setting means, and the sentences where it cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.serving.small_model import picture, write_model
from tests.training.small_run import SmallRun
from vision.api.model import load
from vision.serving.settings import ServingSettings
from vision.settings.errors import SettingsError, UserError
from vision.settings.run import RunSettings
from vision.training import accelerator
from vision.training.accelerator import choose_accelerator, choose_device, why_no_gpu

OLD_DRIVER = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading "
    "and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
)
NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver"


def gpus(count: int, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(accelerator, "_gpu_count", lambda: count)
    patch.delenv("LOCAL_WORLD_SIZE", raising=False)
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("device", "devices", "found", "answers_on"),
    [
        ("auto", None, ("cuda", 2), "cuda:0"),
        ("cuda", 1, ("cuda", 1), "cuda:0"),
        ("cuda:1", None, ("cuda", 1), "cuda:1"),
        ("cuda:1", 1, ("cuda", 1), "cuda:1"),
        ("cpu", None, ("cpu", 1), "cpu"),
    ],
)
def test_of_two_gpus(
    device: str, devices: int | None, found: tuple[str, int], answers_on: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(2, monkeypatch)
    run = RunSettings.parse({"device": device, "devices": devices})
    assert choose_accelerator(run) == found
    assert str(choose_device(run)) == answers_on


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"device": "cuda:2"}, r"run\.device=cuda:2 .* no such GPU: give cuda:0 to cuda:1$"),
        ({"device": "cuda", "devices": 3}, r"run\.devices=3 was asked for, but this machine has 2 GPUs"),
    ],
)
def test_more_than_there_is(given: dict[str, object], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(2, monkeypatch)
    with pytest.raises(UserError, match=sentence):
        choose_accelerator(RunSettings.parse(given))


@pytest.mark.parametrize("table", [RunSettings, ServingSettings])
@pytest.mark.parametrize(("device", "words"), [("mps", "is mps, Apple's GPU, but only"), ("xpu:0", "Intel's GPU, but")])
def test_other_accelerators_are_refused(table: type[RunSettings], device: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        table.parse({"model": "m", "device": device} if table is ServingSettings else {"device": device})


def test_one_gpu_is_not_shared_by_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(2, monkeypatch)
    with pytest.raises(SettingsError, match="devices is 2, but device=cuda:1 is one GPU"):
        RunSettings.parse({"device": "cuda:1", "devices": 2})
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UserError, match="is one GPU, but 2 processes work on this machine"):
        choose_accelerator(RunSettings.parse({"device": "cuda:1"}))


def test_servers_workers_all_use_the_gpu_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    counts = {device: ServingSettings.parse({"model": "m", "device": device}) for device in ("auto", "cuda:1", "cpu")}
    assert {device: given.worker_count() for device, given in counts.items()} == {"auto": 2, "cuda:1": 1, "cpu": 1}


@pytest.mark.parametrize(
    ("said", "visible", "sentence"),
    [
        (
            OLD_DRIVER,
            None,
            r"driver on your system is too old \(found version 11040\) for CUDA .*update NVIDIA's driver",
        ),
        (NO_DRIVER, None, "Found no NVIDIA driver on your system, says torch; nvidia-smi shows"),
        ("No CUDA GPUs are available", "7", "CUDA_VISIBLE_DEVICES is '7', and torch says 'No CUDA GPUs are available'"),
        ("", "", "CUDA_VISIBLE_DEVICES is '', which hides all of them; unset it"),
    ],
)
def test_why_there_is_no_gpu(said: str, visible: str | None, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own words of version 2.11 and 2.15, which only such a machine would say."""

    def fail() -> None:
        raise RuntimeError(said)

    gpus(0, monkeypatch)
    monkeypatch.setattr(torch.cuda, "init", fail)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UserError, match=sentence):
        choose_accelerator(RunSettings.parse({"device": "cuda"}))


def test_a_torch_for_the_cpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    assert "is built for the CPU alone; install one that is built for CUDA" in why_no_gpu()


def test_hidden_gpus_are_not_used() -> None:
    """In a process of its own, since CUDA reads the variable once."""
    lines = "from vision.settings.run import RunSettings; from vision.training.accelerator import choose_accelerator\n"
    lines += "print(choose_accelerator(RunSettings()))\nchoose_accelerator(RunSettings(device='cuda'))"
    environment = {name: value for name, value in os.environ.items() if name != "LOCAL_WORLD_SIZE"}
    done = subprocess.run(
        [sys.executable, "-c", lines], env={**environment, "CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True
    )
    assert done.stdout == "('cpu', 1)\n"
    assert "CUDA_VISIBLE_DEVICES is '', which hides all of them" in done.stderr or "for the CPU alone" in done.stderr


def test_a_gpu_by_its_number(gpu: torch.device, tmp_path: Path) -> None:
    """The last one that there is: it trains and answers there, and leaves the others alone."""
    last = torch.cuda.device_count() - 1
    run = {"device": f"cuda:{last}"}
    trained = SmallRun(tmp_path / "run", run=run, epochs=1)
    weights = trained.train()
    assert {value.device for value in weights.values()} == {
        torch.device("cuda", last)
    } or trained.trainer.num_devices == 1
    assert trained.trainer.strategy.root_device == torch.device("cuda", last)
    model = load(write_model(tmp_path / "model"), RunSettings.parse(run))
    assert model.device == torch.device("cuda", last)
    here = load(tmp_path / "model", RunSettings.parse({"device": "cpu"}))
    (found,), (expected,) = model.predict(picture(1)), here.predict(picture(1))
    assert found.probabilities == pytest.approx(expected.probabilities, abs=5e-3)

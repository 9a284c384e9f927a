"""Whole runs on the device: killed and resumed, too large for the memory, over a range of rates, by processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.algorithms.conformance import TIMES
from tests.api.conftest import job
from tests.api.test_signals import TIMEOUT_S, wait_for_new_checkpoint
from tests.free_ports import free_port
from tests.training.small_run import SmallNetwork, SmallRun
from tests.training.test_resume import Kill
from vision import algorithms
from vision.api import train
from vision.api.divided_batch import step_fits
from vision.api.rate_finder import find_rate
from vision.api.run_data import dataset, open_run_data
from vision.api.start_model import start_model
from vision.artifacts.model_folder import load_model
from vision.data.dataset import ImageDataset
from vision.settings.errors import UserError
from vision.training.out_of_memory import explain_training_memory
from vision.training.rate_range import RateCurve


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_a_resumed_run_ends_with_the_same_bits(
    precision: str, device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With run.deterministic; the scale of float16's losses is part of what is resumed."""
    if device.type == "cpu" and precision != "float32":
        pytest.skip("needs a GPU")
    # Read when cuBLAS is first used with deterministic algorithms.
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    run = {"device": device.type, "devices": 1, "precision": precision, "deterministic": True}

    def small_run(name: str, *kills: Any) -> SmallRun:
        return SmallRun(tmp_path / name, every_n_steps=2, callbacks=kills, run=run)

    expected = small_run("whole").train()
    for kill in (Kill(after_batches=4), Kill(in_validation_of=1)):
        with pytest.raises(Kill.Killed):
            small_run("parts", kill).train()
    found = small_run("parts").train()
    for name, value in expected.items():
        assert torch.equal(found[name].cpu(), value.cpu()), name


@pytest.mark.usefixtures("_costly")
def test_a_killed_process_is_resumed(channels: dict[str, str], device: torch.device, tmp_path: Path) -> None:
    """As a user runs it, with the fastest kernels, whose order of adding is not fixed: equal but for rounding."""
    expected = train(job(channels, tmp_path / "whole", {"device": device.type, "devices": 1}, epochs=6))
    words = ["num_classes=3", "num_training_samples=60", "num_layers=20", "image_shape=3,16,16", "mini_batch_size=20"]
    run = ["workers=0", "checkpoint_every_steps=1", "report=false", f"device={device.type}", "devices=1"]
    command = [sys.executable, "-m", "vision", "train", "algorithm=image_classification"]
    command += [f"hp.{word}" for word in [*words, "epochs=6", "learning_rate=0.05"]]
    command += [f"run.{word}" for word in [*run, f"output={tmp_path / 'parts'}"]]
    command += [f"channels.{name}={path}" for name, path in channels.items()]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_for_new_checkpoint(tmp_path / "parts", process)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=TIMEOUT_S)
    done = subprocess.run([*command, "run.resume=true"], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    found = load_model(tmp_path / "parts" / "model")
    metrics = load_model(expected.folder.model).metrics
    for name, value in found.metrics.items():
        if name not in TIMES:
            assert value == pytest.approx(metrics[name], abs=0.1), name


class Greedy(SmallNetwork):
    """Takes memory until there is none; without a GPU, whose allocator says so, as that would say it."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.device.type == "cpu":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total ...")
        taken = [torch.empty(1 << 30, dtype=torch.uint8, device=images.device)]
        while taken:
            taken.append(torch.empty_like(taken[0]))
        return super().forward(images)


def test_out_of_memory_is_a_sentence(device: torch.device, tmp_path: Path) -> None:
    run = SmallRun(tmp_path, run={"device": device.type, "devices": 1}, epochs=1)
    run.task.network = Greedy()
    object.__setattr__(run.task, "_compiled", run.task.network)
    there = run.trainer.strategy.root_device
    with pytest.raises(UserError) as caught, explain_training_memory(8, 1, "float32", there):
        run.train()
    sentence = str(caught.value)
    assert "hp.mini_batch_size=8 in float32" in sentence
    assert "GB" in sentence and "free" in sentence and "CUDA out of memory" in sentence
    assert "lower hp.mini_batch_size" in sentence and "run.precision=bfloat16" in sentence
    assert "\n" not in sentence


def test_a_run_that_does_not_fit_says_so(
    channels: dict[str, str], device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the whole way that every front door takes."""
    from vision.algorithms.image_classification.network import ImageClassifier

    monkeypatch.setattr(ImageClassifier, "forward", Greedy.forward)
    run = {"device": device.type, "devices": 1, "precision": "bfloat16"}
    with pytest.raises(UserError, match=r"hp\.mini_batch_size=20 in bfloat16: .* free .*lower hp\.mini_batch_size"):
        train(job(channels, tmp_path / "run", run))


def test_a_step_that_did_not_fit_leaves_no_memory_taken(
    channels: dict[str, str], gpu: torch.device, tmp_path: Path
) -> None:
    """Else the next try, of a smaller batch, would find less free than there is."""
    given = job(channels, tmp_path, {"device": f"cuda:{gpu.index}"})
    algorithm = algorithms.get(given.algorithm)
    images = dataset(algorithm, given, open_run_data(algorithm, given).train, "train")
    assert isinstance(images, ImageDataset)
    start, example = start_model(algorithm, given), images.read(0, 0)

    def fits() -> bool:
        return step_fits(algorithm, given, images, start, gpu, 1, example, 4)

    assert fits()
    before = torch.cuda.memory_reserved(gpu)
    # Less than what is to stay free.
    torch.cuda.set_per_process_memory_fraction(0.1, gpu)
    try:
        assert not fits()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, gpu)
    assert torch.cuda.memory_reserved(gpu) <= before
    assert fits()


def test_rates_are_tried_as_on_the_cpu(channels: dict[str, str], device: torch.device, tmp_path: Path) -> None:
    def curve(where: str) -> RateCurve:
        return find_rate(job(channels, tmp_path, {"device": where}), low=1e-5, high=1e-3, updates=20)

    found, expected = curve(device.type), curve("cpu")
    assert found.rates.tolist() == expected.rates.tolist()
    assert found.losses == pytest.approx(expected.losses, rel=0.05)


PROCESS = """
import os, sys, torch, torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from vision.training.processes import end_process, leave_group, told_to_end
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
device = torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")
if device.type == "cuda":
    torch.cuda.set_device(device)
dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 3)).to(device)
images, labels = torch.rand(8, 3, 8, 8), torch.arange(8) % 3
shared = DistributedDataParallel(network, device_ids=[rank] if device.type == "cuda" else None)
own = slice(rank, None, world)
torch.nn.functional.cross_entropy(shared(images[own].to(device)), labels[own].to(device)).backward()
assert told_to_end(15 if rank == world - 1 else None) == 15 or world == 1
if rank == 0:
    torch.save([value.grad.cpu() for value in network.parameters()], sys.argv[1])
leave_group()
end_process(0)
"""


@pytest.mark.parametrize("world", [1, 2])
def test_processes_share_a_batch(world: int, device: torch.device, tmp_path: Path) -> None:
    """NCCL on GPUs, gloo without: the gradient of a batch that is shared is that of the whole batch."""
    if world > torch.cuda.device_count() if device.type == "cuda" else world == 1:
        pytest.skip(f"needs {world} GPUs")
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "gradients.pt")]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(world)}
    shared["OMP_NUM_THREADS"] = "1"
    processes = [
        subprocess.Popen(command, env={**shared, "RANK": str(rank)}, stderr=subprocess.PIPE, text=True)
        for rank in range(world)
    ]
    for process in processes:
        errors = process.communicate(timeout=TIMEOUT_S)[1]
        assert process.returncode == 0, errors
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 3))
    images, labels = torch.rand(8, 3, 8, 8), torch.arange(8) % 3
    torch.nn.functional.cross_entropy(network(images), labels).backward()
    found = torch.load(tmp_path / "gradients.pt")
    for value, parameter in zip(found, network.parameters(), strict=True):
        torch.testing.assert_close(value, parameter.grad, rtol=2e-3, atol=1e-5)

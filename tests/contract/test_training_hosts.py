from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.training_jobs import HYPERPARAMETERS, records, wait_for
from tests.free_ports import free_port
from vision.sagemaker.simulator import Simulator

ROOT = Path(__file__).parents[2]
# Two names of this machine; sorted, the first is the master.
HOSTS = ("127.0.0.1", "localhost")
# Two processes that import torch, twice, on a machine that others use too.
pytestmark = pytest.mark.timeout(900)


def start_process(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.contract.ddp_process", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", **environment})


def test_two_processes_equal_one_with_the_doubled_batch(tmp_path: Path) -> None:
    from tests.contract import ddp_process

    two, one = tmp_path / "two", tmp_path / "one"
    two.mkdir()
    one.mkdir()
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port(following=1)),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "1",
    }
    processes = [
        start_process(two, **shared, RANK=rank, LOCAL_RANK="0", NODE_RANK=rank, GLOO_SOCKET_IFNAME="lo")
        for rank in ("0", "1")
    ]
    ddp_process.main(one)
    assert [process.wait(600) for process in processes] == [0, 0]
    first, second = (torch.load(two / f"result{rank}.pt") for rank in (0, 1))
    alone = torch.load(one / "result0.pt")
    for name, weight in alone["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name])
        torch.testing.assert_close(first["weights"][name], weight, rtol=1e-4, atol=1e-6)
    for row, expected in zip(first["rows"], alone["rows"], strict=True):
        for metric in ("train_loss", "train_accuracy", "validation_accuracy", "learning_rate"):
            assert row[metric] == pytest.approx(expected[metric], rel=1e-4), metric


def machines(folder: Path, hyperparameters: dict[str, Any]) -> list[Simulator]:
    """Two machines of one job, whose data both have."""
    data = records(folder / "data")
    port = str(free_port(following=1))
    found = []
    for number, host in enumerate(HOSTS):
        machine = Simulator(
            folder / f"machine{number}",
            {"VISION_ALGORITHM": "image-classification", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"},
            host=host,
            hosts=HOSTS,
            interface="lo",
        )
        given = {**HYPERPARAMETERS, **hyperparameters}
        machine.write(given, {name: {"path": data.parent} for name in ("train", "validation")})
        found.append(machine)
    return found


def test_two_machines_train_one_model_and_stop_together(tmp_path: Path) -> None:
    first, second = machines(tmp_path, {"epochs": 500, "kv_store": "dist_async"})
    first.start()
    second.start()
    log = wait_for(first, "Epoch[0] Validation-accuracy")
    assert "hp.kv_store=dist_async: the machines update the model together" in log
    # 24 images, 8 a machine and step.
    assert "Epoch[0] Batch [1]" in log
    assert "Epoch[0] Batch [2]" not in log
    # The platform stops every machine; that one is told is enough for both to save and end.
    first.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
    statuses, logs = zip(*(machine.finish(100) for machine in (first, second)), strict=True)
    assert statuses == (143, 143), "\n".join(logs)
    assert (first.prefix.model / "model.json").exists()
    assert (first.prefix.checkpoints / "last.ckpt").exists()
    assert not second.prefix.model.exists()


def test_a_lost_machine_ends_the_other_within_a_minute(tmp_path: Path) -> None:
    first, second = machines(tmp_path, {"epochs": 500})
    first.start()
    second.start(("setsid", sys.executable, "-m", "vision.sagemaker.train"))
    wait_for(first, "Epoch[0] Validation-accuracy")
    assert second.process is not None
    os.killpg(second.process.pid, signal.SIGKILL)
    started = time.monotonic()
    status, _ = first.finish(100)
    second.finish(10)
    assert time.monotonic() - started < 60
    assert status == 2
    assert "machine localhost has left the job before its end" in first.prefix.failure.read_text()


def test_a_stopped_machine_is_named_and_ends_the_other(tmp_path: Path) -> None:
    # Importing torch, twice on one machine, must not take as long.
    first, second = machines(tmp_path, {"epochs": 5000, "run.stall_timeout_s": 60})
    first.start()
    second.start(("setsid", sys.executable, "-m", "vision.sagemaker.train"))
    wait_for(first, "Epoch[0] Validation-accuracy")
    assert second.process is not None
    os.killpg(second.process.pid, signal.SIGSTOP)
    try:
        status, log = first.finish(300)
    finally:
        os.killpg(second.process.pid, signal.SIGKILL)
        second.finish(100)
    assert status == 2, log
    failure = first.prefix.failure.read_text()
    assert failure.startswith("ClientError: machine localhost has said nothing to machine 127.0.0.1 for ")
    assert "it is stopped, or the network between them is cut" in failure
    assert (first.prefix.checkpoints / "last.ckpt").exists()

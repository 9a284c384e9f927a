"""Real training processes for tests of what happens to them, which pay for the imports only once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

# For a machine that does much else meanwhile; nothing here takes more than seconds by itself.
TIMEOUT_S = 240.0


@dataclass
class RunProcess:
    """``vision train`` with small networks, in a process of its own, with what it says in ``log``."""

    process: ForkServerProcess
    folder: Path
    log: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def loaders(self) -> list[int]:
        """Its child processes."""
        return [int(text) for text in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def status(self) -> int:
        """Wait for its end."""
        self.process.join(TIMEOUT_S)
        assert self.process.exitcode is not None, f"it does not end: {self.said}"
        return self.process.exitcode

    def wait_until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + TIMEOUT_S
        while not holds():
            assert self.process.exitcode is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.02)

    def wait_for_checkpoint(self) -> None:
        """Wait until it has written one."""
        path = self.folder / "checkpoints" / "last.ckpt"

        def written_at() -> int:
            return path.stat().st_mtime_ns if path.exists() else 0

        before = written_at()
        self.wait_until(lambda: written_at() != before)


def start_run(channels: dict[str, str], folder: Path, **run: object) -> RunProcess:
    """Start to train, far longer than any test waits."""
    settings: dict[str, object] = {"cache": "none", "workers": 0, "checkpoint_every_steps": 1, "device": "cpu", **run}
    settings |= {"output": folder, "report": "false"}
    given = ["num_classes=3", "num_training_samples=60", "num_layers=20", "image_shape=3,16,16"]
    given += ["mini_batch_size=20", "epochs=5000", "learning_rate=0.01"]
    words = ["train", "algorithm=image_classification", *(f"hp.{text}" for text in given)]
    words += [f"run.{name}={value}" for name, value in settings.items()]
    words += [f"channels.{name}={path}" for name, path in channels.items()]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vision.cli.train", "vision.api.training_run", "vision.cli.terminal"])
    number = sum(1 for _ in folder.parent.glob(f"{folder.name}.*.log"))
    log = folder.parent / f"{folder.name}.{number}.log"
    process = context.Process(target=_run, args=(words, log))
    process.start()
    return RunProcess(process, folder, log)


def _run(words: list[str], log: Path) -> None:
    import torch

    from vision.cli.main import main

    # Tests may have been started by nohup, which processes inherit.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    torch.set_num_threads(1)
    raise SystemExit(main(words))

"""Stands for ``vision.sagemaker.train`` where a test is about jobs, not about training: needs no torch.

The accuracy rises with the epoch towards the learning rate. ``momentum`` 0.1 fails, 0.2 shows no metric.
``python -m tests.aws.fake_training serve NAME=VALUE ...`` is ``vision aws serve`` with such jobs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType


def stopped(signum: int, frame: FrameType | None) -> None:
    os._exit(128 + signum)


def main() -> None:
    signal.signal(signal.SIGTERM, stopped)
    folder = Path(os.environ["SAGEMAKER_BASE_DIR"])
    settings = json.loads((folder / "input/config/hyperparameters.json").read_text())
    (folder / "model").mkdir()
    (folder / "model/model.json").write_text(json.dumps(settings))
    accident = settings.get("momentum")
    if accident == "0.1":
        (folder / "output").mkdir(exist_ok=True)
        (folder / "output/failure").write_text("ClientError: the GPU is on fire")
        sys.exit(2)
    print("GPUs", os.environ.get("CUDA_VISIBLE_DEVICES", "-"))
    epochs = int(settings["epochs"].strip('"'))
    for epoch in range(epochs):
        accuracy = float(settings["learning_rate"]) * (epoch + 1) / epochs
        if accident != "0.2":
            print(f"Epoch[{epoch}] Validation-accuracy={accuracy:.6f}")
        print(f"Epoch[{epoch}] loss={1 - accuracy:.6f}")
        # A server that stops hopeless jobs needs a moment to see them.
        time.sleep(float(settings.get("run.stall_timeout_s", 0)))


def serve(words: Sequence[str]) -> int:
    # Imported late: a job needs none of it, and there are many.
    from vision.aws.sagemaker import training_machine
    from vision.cli.main import main as vision

    training_machine.start_child = start_instead
    return vision(["aws", "serve", *words])


def start_instead(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start this program in place of another."""
    from vision.aws.child_process import start_child

    return start_child("tests.aws.fake_training", arguments, environment)


if __name__ == "__main__":
    sys.exit(serve(sys.argv[2:]) if sys.argv[1:2] == ["serve"] else main())

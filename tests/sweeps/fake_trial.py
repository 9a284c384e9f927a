"""Stands for ``vision.cli.trial``: writes metrics.csv as training does, learns nothing, and needs no torch.

Obeys the sweep as a trial does: ends with the sweep's pipe, saves at SIGTERM, resumes, writes its status. The accuracy
rises with the epoch towards ``learning_rate``; ``momentum`` is an accident: see ``ACCIDENTS``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from vision.training.metrics_csv import read_rows, write_rows

ACCIDENTS = {"0.1": "fails", "0.2": "ignores SIGTERM", "0.3": "has no finite value"}
EPOCHS = 4


def ended(signum: int, frame: FrameType | None) -> None:
    # print would be refused while another print is unfinished.
    os.write(1, b"ended by a signal\n")
    os._exit(128 + signum)


def end_with_the_sweep(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    descriptor, status_file, *words = sys.argv[1:]
    settings = dict(word.partition("=")[::2] for word in words)
    accident = ACCIDENTS.get(settings.get("hp.momentum", ""), "")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if accident == "ignores SIGTERM" else ended)
    threading.Thread(target=end_with_the_sweep, args=(int(descriptor),), daemon=True).start()
    if accident == "fails":
        sys.exit("vision: the GPU is on fire")
    path = Path(settings["run.output"]) / "metrics.csv"
    rows = read_rows(path) if path.exists() and settings["run.resume"] == "true" else []
    with (path.parent / "starts.txt").open("a") as file:
        file.write(f"{len(rows)} {os.environ.get('CUDA_VISIBLE_DEVICES', '-')}\n")
    (path.parent / "checkpoints").mkdir(exist_ok=True)
    for epoch in range(len(rows) + 1, EPOCHS + 1):
        time.sleep(float(settings.get("run.stall_timeout_s", 0.3)))
        accuracy = float(settings["hp.learning_rate"]) * epoch / EPOCHS
        rows.append({"epoch": epoch, "validation_accuracy": float("nan") if accident.startswith("has") else accuracy})
        write_rows(path, rows)
    Path(status_file).write_text("0")


if __name__ == "__main__":
    main()

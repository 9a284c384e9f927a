"""One process of a small run; ``python -m tests.contract.ddp_process FOLDER`` in torchrun's environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from torch import nn

from tests.training.small_run import SmallRun


def main(folder: Path) -> None:
    """Train two epochs, eight images a step over all processes, and keep weights and metrics."""
    rank = int(os.environ.get("RANK", "0"))
    run = SmallRun(folder / f"rank{rank}", epochs=2, train_images=40)
    # Batch norm sees each process's own images, as in SageMaker's algorithm; all else must be equal.
    run.task.network.bn = nn.GroupNorm(2, 6)
    weights = run.train()
    torch.save({"weights": weights, "rows": run.history.rows}, folder / f"result{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""One process of a small run; ``python -m tests.contract.ddp_process FOLDER`` in torchrun's environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from torch import nn

from tests.training.small_run import SmallRun
from vision.training.processes import end_process, leave_group


def main(folder: Path) -> None:
    """Train two epochs, eight images a step over all processes, and keep weights and metrics."""
    rank = int(os.environ.get("RANK", "0"))
    # Fewer to validate than there are processes.
    run = SmallRun(folder / f"rank{rank}", epochs=2, train_images=40, validation_images=1)
    # Batch norm sees each process's own images, as in SageMaker's algorithm; all else must be equal.
    run.task.network.bn = nn.GroupNorm(2, 6)
    # What batch norm would gather of the process's own images.
    run.task.network.register_buffer("gathered", torch.zeros(1))
    run.task.network.register_forward_pre_hook(lambda network, _: gather(network, rank))
    weights = run.train()
    assert run.task.network.get_buffer("gathered") == 0, "all evaluate with what the first process has gathered"
    torch.save({"weights": weights, "rows": run.history.rows}, folder / f"result{rank}.pt")
    leave_group()


def gather(network: nn.Module, rank: int) -> None:
    """Change the buffer, as a forward pass of batch norm does."""
    if network.training:
        network.get_buffer("gathered").add_(rank)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    end_process(0)

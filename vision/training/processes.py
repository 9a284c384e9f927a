"""Which of a run's processes this one is, from the environment that torchrun and our launcher set."""

from __future__ import annotations

import os


def is_first_process() -> bool:
    """Whether this process writes the run's files: the first of the first machine, or the only one."""
    rank = os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or "0"
    return rank == "0"


def machines() -> int:
    """Machines that work on this run."""
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return max(1, world // local)


def processes_here() -> int | None:
    """Processes on this machine, if whoever started them says so."""
    count = os.environ.get("LOCAL_WORLD_SIZE")
    return int(count) if count else None


def told_to_end(signum: int | None) -> int | None:
    """The signal that any of the processes has received; each must ask at the same moment."""
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return signum
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    received = torch.tensor(signum or 0, device=device)
    dist.all_reduce(received, dist.ReduceOp.MAX)
    return int(received) or None


def leave_group() -> None:
    """End the connection to the other processes, after which this one works alone."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()

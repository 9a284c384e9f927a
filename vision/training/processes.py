"""Which of a run's processes this one is, from the environment that torchrun and our launcher set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from vision.settings.errors import UserError

# What errors say that came over the network between processes: gloo's, NCCL's, and torch's own store of addresses.
_FROM_PEERS = ("gloo/transport", "NCCL error", "Connection reset by peer", "Connection closed by peer", "Broken pipe")


class PeerLostError(UserError):
    """Another process of the run is gone, or says nothing more."""


@contextmanager
def peer_losses(timeout_s: float) -> Iterator[None]:
    """Raise PeerLostError in place of what DDP raises when another process is gone, or silent for ``timeout_s``."""
    try:
        yield
    except RuntimeError as error:
        import torch.distributed as dist

        from_peers = dist.is_available() and isinstance(error, dist.DistError)
        if not from_peers and not any(text in str(error) for text in _FROM_PEERS):
            raise
        raise PeerLostError(
            f"another process of this run is gone, or has given nothing for {timeout_s:g} s (run.stall_timeout_s): "
            f"{str(error).splitlines()[0][-200:]}; see its log, then go on with run.resume=true"
        ) from error


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

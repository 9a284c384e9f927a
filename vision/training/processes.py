"""The processes of a run: which one this is, by the launcher's environment, and what they say to each other."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from vision.settings.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

Answer = Callable[[], int | None]

# What errors say that came over the network between processes: gloo's, NCCL's, and torch's own store of addresses.
_FROM_PEERS = ("gloo/transport", "NCCL error", "Connection reset by peer", "Connection closed by peer", "Broken pipe")


class PeerLostError(UserError):
    """Another process of the run is gone or no longer answers."""


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
    """Return whether this process writes the run's files: the first of the first machine, or the only one."""
    rank = os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or "0"
    return rank == "0"


def machines() -> int:
    """Return the number of machines that work on this run."""
    here = processes_here()
    # Lightning, which starts this machine's other processes where no launcher has, gives them WORLD_SIZE alone.
    return 1 if here is None else max(1, int(os.environ.get("WORLD_SIZE", 1)) // here)


def processes_here() -> int | None:
    """Return the number of processes on this machine, None if their launcher does not say."""
    count = os.environ.get("LOCAL_WORLD_SIZE")
    return int(count) if count else None


def told_to_end(signum: int | None) -> int | None:
    """Return the signal that any of the processes has received; all must ask at the same moment."""
    return _ask(signum)()


class EndSignal:
    """Asks the processes repeatedly whether one of them has received a signal to end.

    On GPUs each answer belongs to the question before: waiting for this one would let the GPU run out of work.
    """

    def __init__(
        self, ask: Callable[[int | None], Answer] | None = None, is_late: Callable[[], bool] | None = None
    ) -> None:
        self._ask = ask or _ask
        self._is_late = is_late or _are_on_gpus
        self._before: Answer | None = None

    def ask(self, signum: int | None) -> int | None:
        """Share a signal received here, at each call until one returns it, and return that of any process."""
        answer = self._ask(signum)
        if not self._is_late():
            return answer()
        before, self._before = self._before, answer
        return None if before is None else before()


def _ask(signum: int | None) -> Answer:
    """Return a function that waits for the answer and returns it."""
    import torch
    import torch.distributed as dist

    if not is_one_of_several():
        return lambda: signum
    on_gpus = _are_on_gpus()
    # Filled in place: what torch.tensor makes would have to travel to the GPU, for which the host waits.
    received = torch.full((), signum or 0, dtype=torch.int64, device="cuda" if on_gpus else "cpu")
    dist.all_reduce(received, dist.ReduceOp.MAX)
    if not on_gpus:
        return lambda: int(received) or None
    # Copied behind what the GPU has been given so far. Reading it later would wait for all that comes after, too.
    host = torch.empty((), dtype=torch.int64, pin_memory=True)
    host.copy_(received, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def answer() -> int | None:
        copied.synchronize()
        return int(host) or None

    return answer


def _are_on_gpus() -> bool:
    import torch.distributed as dist

    return is_one_of_several() and dist.get_backend() == "nccl"


def is_one_of_several() -> bool:
    """Return whether other processes train with this one, as far as they have found each other."""
    import torch.distributed as dist

    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def share_buffers(module: nn.Module) -> None:
    """Copy the first process's buffers, batch normalization's statistics, to all."""
    import torch.distributed as dist

    if is_one_of_several():
        for buffer in module.buffers():
            dist.broadcast(buffer, src=0)


def average_over_processes(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its mean over all processes."""
    import torch.distributed as dist

    if is_one_of_several():
        for tensor in tensors:
            dist.all_reduce(tensor)
            tensor /= dist.get_world_size()


def gather_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Join the per-image results of all processes, sorted by image; a repeated image counts once.

    ``arrays`` have one row an image; ``index`` int64 [n] among them says which.
    """
    import torch.distributed as dist

    parts = [arrays]
    if is_one_of_several():
        gathered: list[dict[str, np.ndarray] | None] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, arrays)
        parts = [part for part in gathered if part]
    index = np.concatenate([part["index"] for part in parts])
    _, first = np.unique(index, return_index=True)
    return {name: np.concatenate([part[name] for part in parts])[first] for name in parts[0]}


def leave_group() -> None:
    """End the connection to the other processes, after which this one works alone."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def end_process(status: int) -> NoReturn:
    """End this process, one of several, with an exit status, once all that it wrote is out.

    Threads of PyTorch's groups may outlive them. Where Python meets one while it takes a process down, work that was
    done in full ends as an abort ("terminate called without an active exception"), so it does not take it down.
    """
    atexit._run_exitfuncs()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)

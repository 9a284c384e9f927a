"""What to say when a network's work does not fit the memory: of which batch, in which precision, with how much free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vision.data.cache.free_memory import free_memory_bytes
from vision.settings.errors import UserError

_LONGEST_SAID = 200
# Libraries below PyTorch, and its allocator on the CPU, say it in words alone.
_WORDS = (
    "out of memory",
    "can't allocate memory",
    "ALLOC_FAILED",
    "cudaErrorMemoryAllocation",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up, of a GPU or of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


@contextmanager
def told_of_training(mini_batch_size: int, processes: int, precision: str, device: torch.device) -> Iterator[None]:
    """Raise UserError, as ``told_of_memory`` does, for training or evaluating with these settings.

    ``mini_batch_size`` images are shared among ``processes`` of this machine; ``precision`` as in the settings.
    """
    share = f" ({mini_batch_size // processes} images for each of {processes} processes)" if processes > 1 else ""
    remedy = "lower hp.mini_batch_size (with run.accumulate=N a step then takes N batches)"
    if precision == "float32":
        remedy += ", or set run.precision=bfloat16, which takes about half"
    with told_of_memory(f"hp.mini_batch_size={mini_batch_size}{share} in {precision}", device, remedy):
        yield


@contextmanager
def told_of_memory(work: str, device: torch.device, remedy: str) -> Iterator[None]:
    """Raise UserError in place of an error for want of memory.

    ``work`` says what was done, with which batch and in which precision; ``remedy`` what to change.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(_sentence(error, work, device, remedy)) from error


def _sentence(error: Exception, work: str, device: torch.device, remedy: str) -> str:
    said = " ".join(str(error).split()).split(". ")[0][:_LONGEST_SAID].rstrip(".")
    if device.type == "cuda" and torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device)
        have = f"the GPU has {total / 1e9:.1f} GB, of which {free / 1e9:.1f} GB are free and {kept / 1e9:.1f} GB ours"
    else:
        have = f"{free_memory_bytes() / 1e9:.1f} GB of the machine's memory are free"
    return f"the memory does not suffice for {work}: {have} ({said or type(error).__name__}); {remedy}"

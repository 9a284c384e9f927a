"""The sentence for work that does not fit the memory: of which batch, in which precision, with how much free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vision.data.cache.free_memory import free_memory_bytes
from vision.settings.counted import counted
from vision.settings.errors import UserError, is_out_of_memory

_MAX_TEXT = 200


@contextmanager
def explain_training_memory(
    mini_batch_size: int, processes: int, precision: str, device: torch.device
) -> Iterator[None]:
    """Raise UserError, as ``explain_out_of_memory`` does, in training or evaluating with these settings.

    ``mini_batch_size`` images are shared among ``processes`` of this machine; ``precision`` as in the settings.
    """
    share = (
        f" ({counted(mini_batch_size // processes, 'image')} for each of {processes} processes)"
        if processes > 1
        else ""
    )
    remedy = "run.fit_memory=true makes each step of several smaller batches, a lower hp.mini_batch_size smaller steps"
    if precision == "float32":
        remedy += ", or set run.precision=bfloat16, which takes about half"
    with explain_out_of_memory(f"hp.mini_batch_size={mini_batch_size}{share} in {precision}", device, remedy):
        yield


@contextmanager
def explain_out_of_memory(work: str, device: torch.device, remedy: str) -> Iterator[None]:
    """Raise UserError in place of an error that says that memory is used up.

    ``work`` is what was done, with which batch and in which precision; ``remedy`` is what to change.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(_sentence(error, work, device, remedy)) from error


def _sentence(error: Exception, work: str, device: torch.device, remedy: str) -> str:
    said = " ".join(str(error).split()).split(". ")[0][:_MAX_TEXT].rstrip(".")
    if device.type == "cuda" and torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device)
        have = f"the GPU has {total / 1e9:.1f} GB, of which {free / 1e9:.1f} GB are free and {kept / 1e9:.1f} GB ours"
    else:
        have = f"{free_memory_bytes() / 1e9:.1f} GB of the machine's memory are free"
    return f"the memory does not suffice for {work}: {have} ({said or type(error).__name__}); {remedy}"

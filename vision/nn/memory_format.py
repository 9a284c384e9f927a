"""How a network and its images lie in memory: pixel by pixel where that is fast and safe."""

from __future__ import annotations

import torch
from torch import nn

# Below this many input channels PyTorch's CPU kernels write past the end of their memory; see ``memory_format``.
_FEWEST_CHANNELS = 16


def memory_format(network: nn.Module, *, channels_last: bool) -> torch.memory_format:
    """Return channels_last if it is wanted and ``network`` can be trained in it, else contiguous_format.

    In torch 2.15 on CPUs the backward pass of a strided 1x1 convolution of few input channels in channels_last writes
    past the end of its memory (glibc's checking allocator shows it with 4). Real networks are wider; narrow ones are
    made for trials and tests, where speed matters less than a process that does not crash now and then.
    """
    narrow = any(
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and max(module.stride) > 1
        and module.in_channels < _FEWEST_CHANNELS
        for module in network.modules()
    )
    return torch.channels_last if channels_last and not narrow else torch.contiguous_format

"""A GPU that need not be there: its tensors have shapes and no values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class NoCopies(TorchDispatchMode):
    """Refuses what brings a tensor from the host to the GPU or back, for which the host waits.

    ``torch.tensor`` with a GPU for device is such a copy too.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        devices = {x.device.type for x in tree_leaves((args, result)) if isinstance(x, torch.Tensor)}
        if func._overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_) and len(devices) > 1:
            raise AssertionError(f"a step waits for a copy between {' and '.join(sorted(devices))}: {func} {kwargs}")
        return result


@contextmanager
def fake_gpu() -> Iterator[None]:
    """Whatever is made for a GPU inside is made without one; asking for a value is an error."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def give_to_gpu(module: nn.Module) -> None:
    """Put a tensor without values in the place of each parameter and buffer; inside ``fake_gpu``."""
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            part._parameters[name] = nn.Parameter(torch.empty_like(parameter, device="cuda"))
        for name, buffer in part.named_buffers(recurse=False):
            part._buffers[name] = torch.empty_like(buffer, device="cuda")

"""Convolutions on the CPU whose weights lie in the processor's own order.

PyTorch brings the weights into oneDNN's blocked order anew on every call, which costs an image by itself a third of
its time. Here that happens once, as in networks that ``torch.compile`` has frozen; the operator is theirs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class PackedConvolution(nn.Module):
    """The convolution of a float32 ``nn.Conv2d`` on the CPU, without gradients. Has no state dict.

    ``input_shape``: [N, C, H, W] for which the order is chosen; other N are as fast.
    """

    def __init__(self, convolution: nn.Conv2d, input_shape: torch.Size) -> None:
        super().__init__()
        assert convolution.padding_mode == "zeros"
        assert not isinstance(convolution.padding, str)
        self._padding, self._stride = list(convolution.padding), list(convolution.stride)
        self._dilation, self._groups = list(convolution.dilation), convolution.groups
        self._bias = None if convolution.bias is None else convolution.bias.detach()
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(
            convolution.weight.detach(),
            self._padding,
            self._stride,
            self._dilation,
            self._groups,
            list(input_shape),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Float32 [N, C, H, W] to the output of the convolution, in channels_last memory."""
        return torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, self._padding, self._stride, self._dilation, self._groups, "none", [], ""
        )


def can_pack(device: torch.device) -> bool:
    """Whether this machine and this PyTorch can."""
    return device.type == "cpu" and torch.backends.mkldnn.is_available()


def pack_convolutions(network: nn.Module, images: Tensor) -> int:
    """Replace every convolution that sees something of ``images``, in place; the number of them.

    ``images`` are such as the network will get, [N, C, H, W]. Call within ``torch.inference_mode``.
    """
    shapes: dict[nn.Module, torch.Size] = {}

    def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        shapes[module] = arguments[0].shape

    hooks = [module.register_forward_pre_hook(note) for module in network.modules() if isinstance(module, nn.Conv2d)]
    network(images)
    for hook in hooks:
        hook.remove()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child in shapes:
                setattr(parent, name, PackedConvolution(child, shapes[child]))
    return len(shapes)

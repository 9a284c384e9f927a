"""Rewrites a network that only answers, so that it answers faster; the result differs in the last bits.

Batch normalization is folded into the convolution before it: ``bn(conv(x))`` with running statistics is one convolution
with other weights, with fewer passes over the feature maps. On the CPU the weights of convolutions are also stored in
the processor's own order: PyTorch brings them into oneDNN's blocked order at every call, which costs a third of the
time of a single image. Here that happens once, by the operator of networks that ``torch.compile`` has frozen.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vision.nn.preact_resnet import PreactResNetTrunk, PreactUnit
from vision.nn.resnet import BasicBlock, Bottleneck, ResNetTrunk

# Convolution and batch normalization that follow each other directly, in the modules that use them so.
_PAIRS: tuple[tuple[type[nn.Module], tuple[tuple[str, str], ...]], ...] = (
    (BasicBlock, (("conv1", "bn1"), ("conv2", "bn2"))),
    (Bottleneck, (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))),
    (ResNetTrunk, (("conv1", "bn1"),)),
    (PreactUnit, (("conv1", "bn2"), ("conv2", "bn3"))),
    (PreactResNetTrunk, (("conv0", "bn0"),)),
)


def fold_batch_norm(network: nn.Module) -> int:
    """Fold what can be folded, in place, and return the number of folded layers. Needs a network in evaluation mode.

    What precedes its convolution stays: between them lie ReLU or the padding.
    """
    folded = 0
    for module in list(network.modules()):
        for before, after in _pairs_in(module):
            convolution, norm = getattr(module, before), getattr(module, after)
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, before, fuse_conv_bn_eval(convolution, norm))
                setattr(module, after, nn.Identity())
                folded += 1
    return folded


def _pairs_in(module: nn.Module) -> Iterator[tuple[str, str]]:
    for kind, pairs in _PAIRS:
        if isinstance(module, kind):
            yield from pairs
    if isinstance(module, nn.Sequential):
        yield from pairwise(name for name, _ in module.named_children())


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
        """Return the convolution of float32 [N, C, H, W], in channels_last memory."""
        return torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, self._padding, self._stride, self._dilation, self._groups, "none", [], ""
        )


def can_pack(device: torch.device) -> bool:
    """Return whether convolutions can be packed on this device, by this PyTorch."""
    return device.type == "cpu" and torch.backends.mkldnn.is_available()


def pack_convolutions(network: nn.Module, images: Tensor) -> int:
    """Replace every convolution that ``images`` pass through, in place, and return their number.

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

"""Folds batch normalisation into the convolutions before it, for networks that only answer.

``bn(conv(x))`` with running statistics is one convolution with other weights: fewer passes over the feature maps.
The result differs in the last bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vision.nn.preact_resnet import PreactResNetTrunk, PreactUnit
from vision.nn.resnet import BasicBlock, Bottleneck, ResNetTrunk

# Convolution and batch normalisation that follow each other directly, in the modules that use them so.
_PAIRS: tuple[tuple[type[nn.Module], tuple[tuple[str, str], ...]], ...] = (
    (BasicBlock, (("conv1", "bn1"), ("conv2", "bn2"))),
    (Bottleneck, (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))),
    (ResNetTrunk, (("conv1", "bn1"),)),
    (PreactUnit, (("conv1", "bn2"), ("conv2", "bn3"))),
    (PreactResNetTrunk, (("conv0", "bn0"),)),
)


def fold_batch_norm(network: nn.Module) -> int:
    """Fold what can be folded, in place; the number of folded layers. The network must be in evaluation mode.

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

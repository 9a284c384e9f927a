"""About how much memory training takes, from the tensors of one image's forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vision.training.optimizer import OPTIMIZERS


def training_memory_bytes(network: nn.Module, images: Tensor, batch: int, optimizer: str) -> int:
    """Bytes for weights, gradients, optimizer and what the forward pass keeps for ``batch`` images.

    ``images`` uint8 [n, C, H, W] is a sample. Libraries' own workspace is not in it.
    """
    kept = 0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal kept
        if isinstance(output, Tensor):
            kept += output.numel() * output.element_size()

    leaves = [module for module in network.modules() if not any(module.children())]
    handles = [module.register_forward_hook(count) for module in leaves]
    try:
        with torch.inference_mode():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    weights = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    # The weights themselves, their gradients and the optimizer's averages.
    return weights * (2 + OPTIMIZERS[optimizer].averages) + kept * batch // len(images)

"""About how much memory training takes, from what the forward pass of a few images keeps for the backward pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision.training.optimizer import OPTIMIZERS


def training_memory_bytes(network: nn.Module, images: Tensor, batch: int, optimizer: str) -> int:
    """Bytes for weights, gradients, optimizer and what the forward pass keeps for ``batch`` images, in float32.

    ``images`` uint8 [n, C, H, W] is a sample, of which two are looked at. Libraries' own workspace is not in it.
    """
    # Batch normalisation wants more than one.
    images = images[:2]
    own = {tensor.untyped_storage().data_ptr() for tensor in network.state_dict().values()}
    # Each piece of memory once, and held, so that none is used twice.
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(images)
    activations = sum(storage.nbytes() for storage in kept.values())
    weights = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    # The weights themselves, their gradients and the optimizer's averages.
    return weights * (2 + OPTIMIZERS[optimizer].averages) + activations * batch // len(images)

"""What training takes of the memory, and how large a batch fits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes in float32, without the workspace of libraries.

    ``weights_bytes`` are for weights, gradients and what the optimizer keeps, ``image_bytes`` for the activations of
    one image.
    """

    weights_bytes: int
    image_bytes: int

    def bytes_of(self, batch: int) -> int:
        """Return what training takes with that many images in a batch."""
        return self.weights_bytes + self.image_bytes * batch

    def largest_batch(self, available_bytes: int) -> int:
        """Return how many images fit; 0 if none does."""
        return max(available_bytes - self.weights_bytes, 0) // max(self.image_bytes, 1)


def measure_training_memory(network: nn.Module, images: Tensor, averages: int) -> TrainingMemory:
    """Return what training ``network`` takes, by two of ``images``, uint8 [n, C, H, W].

    The optimizer keeps ``averages`` numbers for each weight.
    """
    # Batch normalization needs more than one image.
    images = images[:2]
    own = {tensor.untyped_storage().data_ptr() for tensor in network.state_dict().values()}
    # Count each piece of memory once, and keep it alive, so that no other tensor reuses it.
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
    return TrainingMemory(weights * (2 + averages), activations // len(images))

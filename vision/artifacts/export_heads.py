"""What an export has to know of a network: how it is called and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

INPUT = "images"
BATCH = "batch"


@dataclass(frozen=True)
class HeadOutput:
    """``shape`` has "batch" for the number of images; ``meaning`` is a sentence."""

    name: str
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True)
class ExportHeads:
    """``module``: images uint8 [N, C, H, W] of ``image_shape`` (C, H, W) -> a tuple of tensors, as ``outputs`` says.

    ``append_pipeline`` gives an ONNX model that goes on to the final answer, ``pipeline_outputs``; None if the
    algorithm has no such thing.
    """

    module: nn.Module
    image_shape: tuple[int, int, int]
    outputs: tuple[HeadOutput, ...]
    append_pipeline: Callable[[Any], Any] | None = None
    pipeline_outputs: tuple[HeadOutput, ...] = ()


class Heads(nn.Module):
    """Gives a network's answer as a plain tuple, with tensors that never change at the end."""

    def __init__(self, network: nn.Module, constants: tuple[Tensor, ...] = ()) -> None:
        super().__init__()
        self.network = network
        for index, constant in enumerate(constants):
            self.register_buffer(f"constant_{index}", constant, persistent=False)
        self.constant_names = [f"constant_{index}" for index in range(len(constants))]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        answer = self.network(images)
        tensors = (answer,) if isinstance(answer, Tensor) else tuple(answer)
        return (*tensors, *(getattr(self, name) for name in self.constant_names))

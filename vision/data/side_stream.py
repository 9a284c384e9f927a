"""Copies batches to the GPU beside its work: while it computes on one batch, the next one travels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor


class Streams(Protocol):
    """The device's main line of work, and one beside it."""

    def beside(self) -> AbstractContextManager[Any]:
        """Run what is started inside beside the main line."""

    def join(self, tensors: Iterator[Tensor]) -> None:
        """Let the main line wait for what runs beside it, and keep these tensors' memory as long as it uses them."""


class CudaStreams:
    """Of one GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._side = torch.cuda.Stream(device)

    def beside(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self._side)

    def join(self, tensors: Iterator[Tensor]) -> None:
        main = torch.cuda.current_stream(self._device)
        main.wait_stream(self._side)
        for tensor in tensors:
            # Else the memory could be given to the next copy while this one is still read.
            tensor.record_stream(main)


class SideStreamCopy:
    """``copy`` does what ``move`` does, which takes a batch in pinned memory to the device without waiting."""

    def __init__(self, streams: Streams, move: Callable[[Any], Any]) -> None:
        self._streams = streams
        self._move = move

    def copy(self, batch: Any) -> Any:
        with self._streams.beside():
            moved = self._move(batch)
        self._streams.join(tensors_in(moved))
        return moved


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield all tensors of nested tuples and lists."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from vision.data.collate import Batch
from vision.data.side_stream import SideStreamCopy, tensors_in


class NoStreams:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    @contextmanager
    def beside(self) -> Iterator[None]:
        self.told.append("beside")
        yield
        self.told.append("back")

    def join(self, tensors: Iterator[Tensor]) -> None:
        self.told.append([tuple(tensor.shape) for tensor in tensors])


def batch() -> Batch:
    targets = (torch.zeros(4, 8, 4), torch.zeros(4, 8))
    return Batch(torch.zeros(4, 3, 2, 2), targets, torch.zeros(4), ((7, "a broken image"),))


def test_the_copy_runs_beside_and_all_its_tensors_are_waited_for() -> None:
    streams = NoStreams()

    def move(batch: Batch) -> Batch:
        streams.told.append("move")
        return batch._replace(images=batch.images + 1)

    given = batch()
    moved = SideStreamCopy(streams, move).copy(given)
    assert streams.told == ["beside", "move", "back", [(4, 3, 2, 2), (4, 8, 4), (4, 8), (4,)]]
    assert moved.images.sum() == 48
    assert moved.broken == given.broken


def test_tensors_are_found_in_what_is_nested() -> None:
    assert [int(tensor) for tensor in tensors_in([torch.tensor(1), ({}, "x", (torch.tensor(2),)), None])] == [1, 2]

"""The vectors of a large index, searched where they lie on disk, so that they need no memory.

Legend: Q queries, N rows of the index (those of replaced images, too), n rows of a part, D the length of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vision.retrieval.nearest_images import Nearest

# Values of an index that is held in memory as float32, 1 GiB: half a million vectors of length 512.
MOST_VALUES_IN_MEMORY = 2**28
# Rows that are compared at once.
_BLOCK = 8192


@dataclass(frozen=True)
class StoredVectors:
    """``parts`` float16 [n, D], mapped files; ``live`` bool [N] is false where a later part replaces the image."""

    parts: Sequence[np.ndarray]
    live: np.ndarray

    def __len__(self) -> int:
        return len(self.live)

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield the place of a block's first row and its vectors float32 [n, D], each of length 1."""
        start, waiting = 0, 0
        block: list[np.ndarray] = []
        for part in self.parts:
            block.append(part)
            waiting += len(part)
            if waiting >= _BLOCK:
                yield start, _unit(block)
                start, waiting, block = start + waiting, 0, []
        if block:
            yield start, _unit(block)

    def nearest(self, queries: np.ndarray, count: int) -> Nearest:
        """Return the ``count`` most similar images of each query float32 [Q, D], exactly; fewer if there are fewer."""
        asked = torch.nn.functional.normalize(torch.from_numpy(np.asarray(queries, np.float32)))
        live = torch.from_numpy(self.live)
        count = min(count, int(self.live.sum()))
        best = torch.full((len(asked), 0), -torch.inf), torch.zeros(len(asked), 0, dtype=torch.int64)
        for start, block in self.blocks():
            similarities = asked @ block.T
            similarities[:, ~live[start : start + len(block)]] = -torch.inf
            found, places = torch.topk(similarities, min(count, len(block)))
            values, rows = torch.cat([best[0], found], dim=1), torch.cat([best[1], places + start], dim=1)
            kept = torch.topk(values, min(count, values.shape[1]))
            best = kept.values, rows.gather(1, kept.indices)
        return Nearest(best[1].numpy(), best[0].numpy())


def _unit(parts: Sequence[np.ndarray]) -> Tensor:
    rows = torch.from_numpy(np.concatenate([part.astype(np.float32) for part in parts]))
    return torch.nn.functional.normalize(rows)

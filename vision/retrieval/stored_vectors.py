"""The vectors of a large index, searched where they lie on disk, so that they need no memory.

Legend: Q queries, N rows of the index (those of replaced images, too), n rows of a part, D the length of a vector.
"""

from __future__ import annotations

import functools
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
        for start, rows in self._blocks():
            yield start, torch.nn.functional.normalize(rows)

    def nearest(self, queries: np.ndarray, count: int) -> Nearest:
        """Return the ``count`` most similar images of each query float32 [Q, D], exactly; fewer if there are fewer."""
        asked = torch.nn.functional.normalize(torch.from_numpy(np.asarray(queries, np.float32)))
        live = torch.from_numpy(self.live)
        count = min(count, int(live.sum()))
        best = torch.full((len(asked), 0), -torch.inf), torch.zeros(len(asked), 0, dtype=torch.int64)
        for start, rows in self._blocks():
            here = slice(start, start + len(rows))
            similarities = (asked @ rows.T) / self._lengths[here]
            similarities[:, ~live[here]] = -torch.inf
            found, places = torch.topk(similarities, min(count, len(rows)))
            values, rows_found = torch.cat([best[0], found], dim=1), torch.cat([best[1], places + start], dim=1)
            kept = torch.topk(values, min(count, values.shape[1]))
            best = kept.values, rows_found.gather(1, kept.indices)
        return Nearest(best[1].numpy(), best[0].numpy())

    @functools.cached_property
    def _lengths(self) -> Tensor:
        """The lengths of all rows, float32 [N]: about 1, since they are stored in float16."""
        return torch.cat([rows.norm(dim=1) for _, rows in self._blocks()]).clamp(min=1e-12)

    def _blocks(self) -> Iterator[tuple[int, Tensor]]:
        """Yield the place of a block's first row and its rows float32 [n, D] as they are stored."""
        start, waiting = 0, 0
        block: list[np.ndarray] = []
        for part in self.parts:
            block.append(part)
            waiting += len(part)
            if waiting >= _BLOCK:
                yield start, torch.from_numpy(np.concatenate(block)).float()
                start, waiting, block = start + waiting, 0, []
        if block:
            yield start, torch.from_numpy(np.concatenate(block)).float()

"""Find the images of an index whose vectors are the most like those of others, exactly.

Legend: Q queries, N images of the index, D the length of a vector, K results of each query.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Similarities of one block, float32: 64 MiB.
_BLOCK_VALUES = 2**24
_LEAST_VARIANCE = 1e-9


class Nearest(NamedTuple):
    """``places`` int64 [Q, K] in the index and their cosine ``similarities`` float32 [Q, K], the most similar first."""

    places: np.ndarray
    similarities: np.ndarray


class Vectors:
    """The vectors of an index in memory, float32 [N, D], each of length 1."""

    def __init__(self, vectors: np.ndarray, *, whiten: bool = False) -> None:
        found = torch.from_numpy(np.asarray(vectors, np.float32))
        self._mean = found.mean(dim=0) if whiten and len(found) else None
        self._projection = None if self._mean is None else _whitening(found - self._mean)
        self._room = self.vectors = self._turned(found)

    def __len__(self) -> int:
        return len(self.vectors)

    def append(self, vectors: np.ndarray) -> None:
        """Append the vectors [n, D] of further images, whatever threads search; whitening stays as it was."""
        new, count = self._turned(torch.from_numpy(np.asarray(vectors, np.float32))), len(self)
        if count + len(new) > len(self._room):
            # Doubled, so that appending one by one copies each vector a few times only.
            self._room = torch.empty(2 * (count + len(new)), new.shape[1])
            self._room[:count] = self.vectors
        self._room[count : count + len(new)] = new
        self.vectors = self._room[: count + len(new)]

    def nearest(self, queries: np.ndarray, count: int) -> Nearest:
        """Return the ``count`` most similar images of each query float32 [Q, D], fewer if the index has fewer."""
        vectors = self.vectors
        count = min(count, len(vectors))
        turned = self._turned(torch.from_numpy(np.asarray(queries, np.float32)))
        step = max(1, _BLOCK_VALUES // max(1, len(vectors)))
        parts = [torch.topk(turned[i : i + step] @ vectors.T, count) for i in range(0, len(turned), step)]
        if not parts:
            return Nearest(np.zeros((0, count), np.int64), np.zeros((0, count), np.float32))
        places, similarities = (torch.cat(found).numpy() for found in zip(*((p, v) for v, p in parts), strict=True))
        return Nearest(places, similarities)

    def pairs_above(self, similarity: float, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return pairs int64 [P, 2] of places, the first lower, at least so similar, and their similarity float32 [P].

        Of more than ``most`` pairs the most similar are returned.
        """
        step = max(1, _BLOCK_VALUES // max(1, len(self)))
        pairs, values = torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0)
        for start in range(0, len(self), step):
            found = self.vectors[start : start + step] @ self.vectors[start:].T
            hits = torch.triu(found >= similarity, diagonal=1).nonzero()
            pairs = torch.cat([pairs, hits + start])
            values = torch.cat([values, found[hits[:, 0], hits[:, 1]]])
            if len(pairs) > most:
                kept = torch.topk(values, most).indices.sort().values
                pairs, values = pairs[kept], values[kept]
        return pairs.numpy(), values.numpy()

    def _turned(self, vectors: Tensor) -> Tensor:
        if self._mean is not None and self._projection is not None:
            vectors = (vectors - self._mean) @ self._projection
        return torch.nn.functional.normalize(vectors)


def _whitening(centered: Tensor) -> Tensor:
    """Return the projection [D, d] onto the directions in which the vectors vary, each scaled to variance 1."""
    variances, directions = torch.linalg.eigh(centered.T.double() @ centered.double() / len(centered))
    kept = variances > max(_LEAST_VARIANCE, float(variances[-1]) * 1e-4)
    return (directions[:, kept] / variances[kept].sqrt()).float()

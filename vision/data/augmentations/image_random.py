"""Random numbers that follow from an image's seed, one image or a whole batch at a time, number by number the same.

The k-th number of an image is SplitMix64's k-th output (Steele et al. 2014) from the image's seed, which is a hash of
seed and k: so NumPy draws it for all images of a batch at once.
"""

from __future__ import annotations

import random
import secrets

import numpy as np

_STEP = 0x9E3779B97F4A7C15
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_MASK = 2**64 - 1
# A double has 53 bits.
_DROPPED_BITS = 11
_UNIT = 2.0**-53
# The integers drawn are below it.
MANTISSA = 2**53


class ImageRandom(random.Random):
    """The numbers of one image; without a seed, of none that was met before."""

    def __init__(self, seed: int | None) -> None:
        self._state = secrets.randbits(64) if seed is None else int(seed) & _MASK

    def random(self) -> float:
        return self._next() * _UNIT

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        assert stop is None and step == 1, "only randrange(n) is the same for a batch"
        return self._next() % start

    def randint(self, a: int, b: int) -> int:
        return a + self.randrange(b - a + 1)

    def _next(self) -> int:
        """Return the next integer below 2^53."""
        z = self._state = (self._state + _STEP) & _MASK
        z = ((z ^ (z >> 30)) * _MIX[0]) & _MASK
        z = ((z ^ (z >> 27)) * _MIX[1]) & _MASK
        return (z ^ (z >> 31)) >> _DROPPED_BITS


class BatchRandom:
    """The numbers of N images: each call gives an array [N], whose row i is what ``ImageRandom(seeds[i])`` gives."""

    def __init__(self, seeds: np.ndarray) -> None:
        self._state = seeds.astype(np.uint64)

    def random(self) -> np.ndarray:
        """Return float64 [N], 0..1 without 1."""
        return self._next() * _UNIT

    def uniform(self, low: float, high: float) -> np.ndarray:
        """Return float64 [N] between both."""
        return low + (high - low) * self.random()

    def randrange(self, stop: int | np.ndarray) -> np.ndarray:
        """Return int64 [N], 0 to ``stop`` without it, which may be another for each image: int64 [N]."""
        return (self._next() % np.asarray(stop).astype(np.uint64)).astype(np.int64)

    def randint(self, low: int, high: int) -> np.ndarray:
        """Return int64 [N] from ``low`` to ``high``, both included."""
        return low + self.randrange(high - low + 1)

    def _next(self) -> np.ndarray:
        with np.errstate(over="ignore"):
            self._state = self._state + np.uint64(_STEP)
            z = self._state
            z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX[0])
            z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX[1])
            return (z ^ (z >> np.uint64(31))) >> np.uint64(_DROPPED_BITS)

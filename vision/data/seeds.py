"""Where the random numbers of a run start: its seed decides new weights, the order of images and their augmentation.

Folds, the bootstrap's draws and a split of data take a seed of their own for one generator of NumPy.
"""

from __future__ import annotations

import numpy as np
import torch


def seed_weights(seed: int) -> None:
    """Start torch's generator, from which new weights are drawn and, in training, dropout."""
    torch.manual_seed(seed)


def pass_order(seed: int, number: int) -> np.random.Generator:
    """Return the generator that shuffles the images for one pass over them, counted from 0."""
    return np.random.default_rng([seed, number])


def batch_mixing(seed: int, number: int, rank: int) -> np.random.Generator:
    """Return the generator that mixes the images of batch ``number`` of a run in the process ``rank``."""
    return np.random.default_rng([seed, number, rank, 1])


def image_seeds(seed: int, passes: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return seeds uint64 [N] from run seed, pass number and image, so that an image is augmented alike in any batch.

    Mixes with the finaliser of SplitMix64 (Steele et al. 2014), whose outputs are as good as independent.
    """
    with np.errstate(over="ignore"):
        z = indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z += (passes.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
        z += np.uint64(seed % 2**64) * np.uint64(0x8CB92BA72F3D8DD7)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))

"""What the loss of each class counts. Legend: K classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vision.settings.class_weights import BALANCED, numbers_of
from vision.settings.errors import UserError


def class_weights(setting: str, text: str | None, num_classes: int, counts: np.ndarray | None) -> Tensor | None:
    """Return what the loss of each class counts, float32 [K]; None where all count the same. Raises UserError.

    ``setting`` is the name of the setting that holds ``text``, ``counts`` float64 [K] how often each class occurs in
    training; None where nothing is trained. Balanced: the median count of the classes that occur over the class's own
    (Eigen and Fergus 2015); a class that never occurs counts 0.
    """
    given = numbers_of(text)
    if given is not None:
        # Not a rule of the settings, which are checked before classes are counted.
        if len(given) != num_classes:
            raise UserError(
                f"{setting} has {len(given)} numbers, but hp.num_classes is {num_classes}: give one for each class"
            )
        return torch.tensor(given, dtype=torch.float32)
    if text != BALANCED or counts is None:
        return None
    occurs = counts > 0
    middle = np.median(counts[occurs]) if occurs.any() else 0.0
    weights = np.divide(middle, counts, out=np.zeros(len(counts)), where=occurs)
    return torch.from_numpy(weights.astype(np.float32))

"""Handwritten digits as a small classification data set: the ones that scikit-learn carries, packed as RecordIO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter
from vision.files.atomic_file import write_whole
from vision.settings.errors import UserError

CLASSES_FILE = "classes.txt"
IMAGE_SIZE_PX = 28
VALIDATION_SHARE = 0.2
_BRIGHTEST = 16  # of scikit-learn's grey levels


@dataclass(frozen=True, eq=False)
class Digits:
    """Scanned digits: ``grey`` uint8 [N, 8, 8], bright ink on black; ``labels`` int64 [N], the digit."""

    grey: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> Digits:
        return Digits(self.grey[indices], self.labels[indices])


def load_digits() -> Digits:
    """Load the 1797 digits that come with scikit-learn. Raises UserError if it is not installed."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise UserError(
            "The sample digits come with scikit-learn, which is not installed: run pip install 'vision[quickstart]'."
        ) from error
    bundle = datasets.load_digits()
    grey = np.rint(bundle.images * (255 / _BRIGHTEST)).astype(np.uint8)
    return Digits(grey, bundle.target.astype(np.int64))


def split_digits(digits: Digits, seed: int) -> dict[str, Digits]:
    """Split into ``train`` and ``validation``, which gets a fifth of each class, drawn by ``seed``."""
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(digits), bool)
    for label in np.unique(digits.labels):
        members = rng.permutation(np.flatnonzero(digits.labels == label))
        held_out[members[: round(len(members) * VALIDATION_SHARE)]] = True
    return {
        "train": digits.take(np.flatnonzero(~held_out)),
        "validation": digits.take(np.flatnonzero(held_out)),
    }


def write_digits(folder: Path, seed: int) -> dict[str, int]:
    """Write train.rec and validation.rec, 28x28 RGB PNG with the digit as label, and classes.txt.

    Returns the number of images in each.
    """
    parts = split_digits(load_digits(), seed)
    for name, digits in parts.items():
        with RecordIOWriter(folder / f"{name}.rec") as writer:
            for number, (grey, label) in enumerate(zip(digits.grey, digits.labels, strict=True)):
                writer.write(number, pack(float(label), number, _png(grey)))
    write_class_names(folder, map(str, range(10)))
    return {name: len(digits) for name, digits in parts.items()}


def write_class_names(folder: Path, names: Iterable[str]) -> None:
    """Write classes.txt, a name on each line in the order of the class ids."""
    write_whole(folder / CLASSES_FILE, "".join(f"{name}\n" for name in names))


def _png(grey: np.ndarray) -> bytes:
    """Return one digit uint8 [8, 8], enlarged, as an RGB PNG file."""
    large = cv2.resize(grey, (IMAGE_SIZE_PX, IMAGE_SIZE_PX), interpolation=cv2.INTER_CUBIC)
    written, encoded = cv2.imencode(".png", cv2.cvtColor(large, cv2.COLOR_GRAY2BGR))
    assert written
    return encoded.tobytes()

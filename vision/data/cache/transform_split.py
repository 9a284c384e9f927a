"""A transform in its fixed part, done once for each decoded image, and its random part, drawn batch by batch.

Legend: N batch, H W size of a decoded image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from vision.data.augmentations.affine import Affine, centred_matrix
from vision.data.augmentations.augmentation import Augmentation
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.grey import Grey
from vision.data.augmentations.hls_shift import HLSShift
from vision.data.augmentations.image_random import BatchRandom
from vision.data.augmentations.mirror import Mirror
from vision.data.dataset import Transform


class Drawn(NamedTuple):
    """What was drawn for N images. ``matrices`` float32 [N, 2, 3] from kept to warped pixels; ``tops`` and ``lefts``
    int64 [N] of the crops; ``hls_offsets`` int64 [N, 3]; ``mirrored`` bool [N]. None where nothing of it is done.
    """

    matrices: np.ndarray | None
    tops: np.ndarray
    lefts: np.ndarray
    hls_offsets: np.ndarray | None
    mirrored: np.ndarray


@dataclass(frozen=True)
class RandomPart:
    """Affine map, random crop, color, mirror and grey, in this order, as far as a transform has them."""

    affine: Affine | None
    crop: Crop
    color: HLSShift | None
    mirror: Mirror | None
    grey: Grey | None

    @classmethod
    def of(cls, augmentations: Sequence[Augmentation]) -> RandomPart | None:
        """Return the random part that a transform's steps make, or None if they are of another kind or order."""
        left = list(augmentations)

        def take(kind: type[Augmentation]) -> Any:
            return left.pop(0) if left and type(left[0]) is kind else None

        parts = [take(kind) for kind in (Affine, Crop, HLSShift, Mirror, Grey)]
        affine, crop, color = parts[:3]
        certain = all(part is None or part.p >= 1.0 for part in (affine, crop, color))
        if left or crop is None or not crop.at_random or not certain or (color and color.channel_p < 1.0):
            return None
        return cls(*parts)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether decoded images [H, W, ...] hold the crop."""
        return shape[0] >= self.crop.height and shape[1] >= self.crop.width

    def draw(self, seeds: np.ndarray, shapes: np.ndarray) -> Drawn:
        """Draw for images of ``shapes`` int64 [N, 3], number by number what the transform draws for each by itself."""
        rng = BatchRandom(seeds)
        matrices = None if self.affine is None else _draw_matrices(self.affine, rng, shapes)
        tops = rng.randrange(shapes[:, 0] - self.crop.height + 1)
        lefts = rng.randrange(shapes[:, 1] - self.crop.width + 1)
        offsets = None if self.color is None else _draw_offsets(self.color, rng)
        never = np.zeros(len(seeds), bool)
        mirrored = never if self.mirror is None else rng.random() < self.mirror.p
        return Drawn(matrices, tops, lefts, offsets, mirrored)


class FixedPart(Transform, Protocol):
    """A transform that draws nothing and leaves the target alone."""

    def shape_after(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the shape that it gives to an image of ``shape``: height, width, channels."""


class TransformSplit(NamedTuple):
    """A transform in two: the ``fixed`` part, with a ``name`` that says what it does, and what follows each time.

    That is the transform ``rest``, or nothing; a ``random_part`` does the same for a batch at once.
    """

    fixed: FixedPart
    name: str
    random_part: RandomPart | None = None
    rest: Transform | None = None


@runtime_checkable
class Splittable(Protocol):
    """A transform that can be split."""

    def split(self) -> TransformSplit:
        """Return its parts."""


def describe(augmentations: Sequence[Augmentation]) -> str:
    """Return kinds and settings of augmentations, in their order."""
    return " ".join(
        f"{type(step).__name__}({', '.join(f'{name}={value}' for name, value in step.settings.items())})"
        for step in augmentations
    )


def _draw_matrices(affine: Affine, rng: BatchRandom, shapes: np.ndarray) -> np.ndarray:
    shears = rng.uniform(-affine.max_shear, affine.max_shear)
    angles_deg = rng.randint(-affine.max_angle_deg, affine.max_angle_deg)
    ratios = 1.0 + rng.uniform(-affine.max_aspect_change, affine.max_aspect_change)
    drawn = zip(shapes.tolist(), angles_deg.tolist(), shears.tolist(), ratios.tolist(), strict=True)
    return np.stack([centred_matrix(*one) for one in drawn])


def _draw_offsets(color: HLSShift, rng: BatchRandom) -> np.ndarray:
    limits = (color.max_hue, color.max_lightness, color.max_saturation)
    return np.stack([np.trunc(rng.uniform(-limit, limit)) for limit in limits], axis=1).astype(np.int64)

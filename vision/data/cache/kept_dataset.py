"""Images that were decoded once, for what is drawn image by image; equal to decoding them anew."""

from __future__ import annotations

from typing import Any

import numpy as np

from vision.data.cache.kept_images import KeptImages
from vision.data.dataset import ImageDataset, Transform


class KeptDataset(ImageDataset):
    """``source`` with kept images in place of encoded ones; ``rest`` is what is left to be done to them."""

    def __init__(self, source: ImageDataset, kept: KeptImages, rest: Transform) -> None:
        super().__init__(
            source.reader,
            source.decode_target,
            rest,
            source.collate_targets,
            replace_broken=source.replace_broken,
        )
        self.kept = kept

    def read(self, index: int, seed: int | None) -> tuple[np.ndarray, Any]:
        """One image, transformed, and its target."""
        key = self.reader.key(index)
        target = self.decode_target(self.reader.target(index), key)
        if index in self.kept.broken:
            raise self.kept.broken[index]
        self.kept.check()
        return self.transform(self.kept[index], target, seed, key)

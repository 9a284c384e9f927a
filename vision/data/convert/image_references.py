"""What a list, manifest or COCO file calls its images, and their copies in the folder ``images`` beside it."""

from __future__ import annotations

import os
from pathlib import Path

from vision.data.convert.image_files import ImagePlacer, in_images_folder
from vision.data.convert.neutral import AnnotatedImage
from vision.settings.errors import DataError

# Key of ``extra``: the address by which a manifest named the image, where it is no path.
ADDRESS = "address"


class ReferenceWriter:
    """``how``: copy or link puts images into ``folder``/images; keep leaves them and refers to where they are."""

    def __init__(self, folder: Path, how: str) -> None:
        self._folder, self._how = folder.resolve(), how
        self._placer = ImagePlacer(folder, how)

    def place(self, image: AnnotatedImage, encoded: bytes | memoryview) -> str:
        """Path of the image relative to ``folder``. Raises DataError."""
        if self._how == "keep":
            return self._kept(image)
        name = in_images_folder(image.name)
        self._placer.place(name, image, encoded)
        return name

    def check(self) -> None:
        """Raise UserError if an image that was placed is gone."""
        self._placer.check()

    def _kept(self, image: AnnotatedImage) -> str:
        if not isinstance(image.image, Path):
            raise DataError(image.key, "has no file of its own, so images=keep cannot refer to it; use images=copy")
        path = os.path.relpath(image.image.resolve(), self._folder)
        if path.startswith(".."):
            raise DataError(
                image.key, f"lies outside {self._folder}, so images=keep cannot refer to it; use images=link or copy"
            )
        return path

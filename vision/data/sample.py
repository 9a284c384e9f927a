"""One image with its label, still encoded, and the reader that gives such samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from vision.data.containers.image_parts import ImageHeader
    from vision.data.masks.color_map import ColorMap

# A label as its source states it: a float32 vector (RecordIO, .lst, class folders), the decoded JSON of a manifest
# attribute or annotation file, or the bytes of an image file that labels each pixel; a list has 0 or 1 for each class,
# a tuple holds class ids. What it means is said in ``vision.data.labels``.
RawTarget: TypeAlias = "np.ndarray | Mapping[str, Any] | list[Any] | tuple[int, ...] | int | str | bytes"


@dataclass(frozen=True, slots=True)
class Sample:
    """An encoded image (the bytes of a JPEG or PNG file), its raw label, and a key that names it in messages."""

    encoded: bytes | memoryview
    target: RawTarget
    key: str


@runtime_checkable
class Reader(Protocol):
    """Random access to the samples of one channel. Picklable or fork-safe; holds arrays, not lists of objects."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Class names in the order of their ids, if the source states them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Read one sample. Raises DataError naming file and record if it cannot be read."""

    def target(self, index: int) -> RawTarget:
        """Read the label alone, without touching the image bytes."""

    def key(self, index: int) -> str:
        """Return the name of the record for messages: file and record, line or path. Never fails."""


@runtime_checkable
class Sized(Protocol):
    """A reader of image files whose labels state the size of their image."""

    def image_size_px(self, index: int) -> tuple[int, int]:
        """(width, height) of the upright image, from its header. Raises DataError."""


@runtime_checkable
class Headed(Protocol):
    """A reader of image files that reads the header of an image alone."""

    def image_header(self, index: int) -> ImageHeader:
        """Return size and EXIF orientation as the file states them. Raises DataError."""


@runtime_checkable
class Tabular(Protocol):
    """A reader that can hold the labels of all its records in one array."""

    def targets_matrix(self) -> np.ndarray | None:
        """Return the labels float32 [N, W]; None where they differ in width."""


@runtime_checkable
class Located(Protocol):
    """A reader whose images are files, each under a path of its own."""

    def path(self, index: int) -> str:
        """Return the image's path as its channel states it."""


@runtime_checkable
class Remarking(Protocol):
    """A reader that decided something for the user that may be said."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences."""


@runtime_checkable
class Colored(Protocol):
    """A reader of masks whose source may state the color of each class, as Ground Truth does."""

    @property
    def color_map(self) -> ColorMap | None:
        """The colors by which masks are read; None where the values of their pixels count."""

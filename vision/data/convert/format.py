"""What every format is to the others: a source of images in the neutral form, and a sink for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from vision.data.convert.neutral import AnnotatedImage, Plan
from vision.data.labels import Task
from vision.data.skipped import Skipped


@dataclass(frozen=True)
class SourceOptions:
    """How to read. ``root`` holds the images where that is not clear, ``classes`` is a file with a name a line.

    ``class_names`` are those of training, whose ids the classes are to get. ``attributes`` and ``label_format`` are an
    augmented manifest's, ``split`` names a list of VOC's ImageSets/Main or a folder of YOLO's images, ``one_based``
    says that VOC's pixels count from 1.
    """

    root: Path | None = None
    classes: Path | None = None
    attributes: tuple[str, ...] | None = None
    label_format: Literal["multi-hot", "class-id"] | None = None
    split: str | None = None
    one_based: bool = False
    class_names: tuple[str, ...] | None = None


class Source(ABC):
    """Images of one data set. ``class_names`` is None where nothing states them."""

    task: Task
    class_names: tuple[str, ...] | None
    # Classes that there are at least, by the width of a label.
    least_classes: int = 0

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on what was decided for the user about the labels' meaning."""
        return ()

    @abstractmethod
    def __len__(self) -> int:
        """Images, those that will be left out included."""

    @abstractmethod
    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        """All images in their order; ``skipped`` is told what cannot be read. Can be called again."""


class Sink(ABC):
    """Writes one data set. Nothing has its final name before ``close``."""

    TASKS: ClassVar[frozenset[Task]]
    # Keys of ``extra`` that the format keeps.
    HOLDS: ClassVar[frozenset[str]] = frozenset()
    HOLDS_DIFFICULT: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        """``images`` says what becomes of image files: copy, link or keep."""

    @abstractmethod
    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        """Add one image. Raises DataError where it cannot be held."""

    @abstractmethod
    def close(self) -> None:
        """Finish the files and give them their names."""

    def discard(self) -> None:  # noqa: B027
        """Throw unfinished files away; image files that were copied stay."""

"""What every dataset format declares: how it is recognized, read and written, and what it can hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vision.data.convert.annotated_image import AnnotatedImage, Plan
from vision.data.labels import Task
from vision.data.sample import Reader
from vision.data.skipped import Skipped
from vision.settings.errors import UserError


@dataclass(frozen=True)
class SourceOptions:
    """How to read a data set. ``root`` is the folder of its images, ``classes`` a file with a class name on each line.

    ``class_names`` are those of training, whose ids the classes are to get. ``attributes`` and ``label_format`` are an
    augmented manifest's, ``split`` names a list of VOC's ImageSets or a folder of YOLO's images, ``one_based``
    says that VOC's pixels count from 1. ``colors`` is a file with the color of each class in masks. ``box_polygons``
    says that the boxes around LabelMe's other shapes count as its rectangles do.
    """

    root: Path | None = None
    classes: Path | None = None
    attributes: tuple[str, ...] | None = None
    label_format: Literal["multi-hot", "class-id"] | None = None
    split: str | None = None
    one_based: bool = False
    class_names: tuple[str, ...] | None = None
    colors: Path | None = None
    box_polygons: bool = False


class Source(ABC):
    """Reads the images of one data set. ``class_names`` is None where nothing states them."""

    task: Task
    class_names: tuple[str, ...] | None
    # The least number of classes that the width of a label allows.
    least_classes: int = 0

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on how labels were interpreted where the data leave it open."""
        return ()

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images, those that will be left out included."""

    @abstractmethod
    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        """Yield all images in their order; add to ``skipped`` what cannot be read. Can be called again."""


class Sink(ABC):
    """Writes one data set. Nothing has its final name before ``close``."""

    @abstractmethod
    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        """Add one image. Raises DataError where the format cannot hold it."""

    @abstractmethod
    def close(self) -> None:
        """Finish the files and give them their names."""

    def discard(self) -> None:  # noqa: B027
        """Remove unfinished files; image files that were copied stay."""


def whole(path: Path, channel: str, is_shared: bool) -> tuple[Path, str | None]:
    """Return the path itself: the part for every channel of a data set without parts."""
    return path, None


@dataclass(frozen=True)
class ChannelForm:
    """How a channel finds and reads a data set of the format, without a conversion.

    ``title`` names it in messages. ``recognize`` returns the name of the file or folder by which a path shows that it
    holds one, None if it does not. ``part`` returns, of a path, a channel's name and whether training and validation
    share the path, the path to read and the ``split`` of its SourceOptions. ``numbered_by_train`` says that validation
    takes its class ids from the names in train. ``reader`` opens a data set whose labels are read as they are.
    """

    title: str
    recognize: Callable[[Path], str | None]
    part: Callable[[Path, str, bool], tuple[Path, str | None]] = whole
    numbered_by_train: bool = False
    reader: Callable[[Path], Reader] | None = None


@dataclass(frozen=True)
class DatasetFormat:
    """One format of data sets, as its file declares it and ``formats`` registers it.

    ``place`` describes the path of such a data set; ``suffixes`` are those of its file, empty where it is a folder.
    ``labels`` are the kinds of labels that it holds, ``kept`` the keys of ``extra`` that it has a place for.
    ``sink`` is called with the output, the plan and what becomes of image files: copy, link or keep; None where the
    format is only read.
    """

    name: str
    place: str
    labels: frozenset[Task]
    source: Callable[[Path, SourceOptions], Source]
    sink: Callable[[Path, Plan, str], Sink] | None
    suffixes: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()
    keeps_difficult: bool = False
    keeps_unused_classes: bool = True
    channel: ChannelForm | None = None

    def create_sink(self, output: Path, plan: Plan, images: str) -> Sink:
        """Return what writes a data set to ``output``. Raises UserError where the format is only read."""
        if self.sink is None:
            raise UserError(f"The format {self.name} is read but not written: convert to masks, for example.")
        return self.sink(output, plan, images)

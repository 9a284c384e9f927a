"""Images in one folder for each class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage, Plan
from vision.data.convert.format import DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.output_files import ImagePlacer, below_images_folder
from vision.data.labels import Task
from vision.data.readers.file_table import is_clutter
from vision.data.readers.folder import FolderReader
from vision.data.skipped import Skipped
from vision.settings.errors import UserError
from vision.settings.file_names import MAX_NAME_BYTES, shown_name


class FolderSource(Source):
    """Reads class folders; class ids follow the list of classes if there is one, else the sorted folder names."""

    task: Task = "single"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._root = path
        self._reader = FolderReader(path, find_class_list(options.classes, path))
        self.class_names = self._reader.class_names

    @property
    def remarks(self) -> tuple[str, ...]:
        return self._reader.remarks

    def __len__(self) -> int:
        return len(self._reader)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for index in range(len(self._reader)):
            name = self._reader.path(index)
            class_id = int(self._reader.target(index)[0])
            yield AnnotatedImage(name, self._reader.key(index), self._root / name, class_ids=(class_id,))


class FolderSink(Sink):
    """Writes ``output``/CLASS/NAME; classes.txt keeps the order of the ids."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        wrong = [
            name for name in plan.class_names if "/" in name or is_clutter(name) or len(name.encode()) > MAX_NAME_BYTES
        ]
        if wrong:
            raise UserError(f"Class {shown_name(wrong[0])} cannot be the name of a folder: rename it in classes=FILE.")
        if images == "keep":
            raise UserError("images=keep does not go with to=folder, where an image's place is its label.")
        self._names = plan.class_names
        self._placer = ImagePlacer(output, images, walked=True)

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        assert image.class_ids is not None
        folder = self._names[image.class_ids[0]]
        name = below_images_folder(image.name)
        self._placer.place(name if name.startswith(f"{folder}/") else f"{folder}/{name}", image, encoded)

    def close(self) -> None:
        self._placer.check()


FORMAT = DatasetFormat(
    name="folder",
    place="folder with one folder for each class",
    labels=frozenset(("single",)),
    source=FolderSource,
    sink=FolderSink,
)

"""SageMaker's image format for object detection: a folder of images and one of JSON files, one for each image."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from vision.data.convert.annotated_image import AnnotatedImage, Plan
from vision.data.convert.dataset_folder import entries, first_files
from vision.data.convert.format import ChannelForm, DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.label_forms import annotation_of, read_objects
from vision.data.convert.output_files import IMAGES, ImagePlacer, below_images_folder, write_beside
from vision.data.labels import Task
from vision.data.readers.annotation_files import AnnotationFilesReader
from vision.data.skipped import Skipped
from vision.files.write_error import make_folder
from vision.settings.errors import DataError, UserError
from vision.settings.file_names import MAX_NAME_BYTES

ANNOTATIONS = "annotations"


class AnnotationJsonSource(Source):
    """Reads the folders ``images`` (or ``root``) and ``annotations`` of ``path``."""

    task: Task = "boxes"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        images = options.root or path / IMAGES
        annotations = path / ANNOTATIONS if (path / ANNOTATIONS).is_dir() else path
        if not images.is_dir():
            raise UserError(f"{images} is not a folder: give root=FOLDER, the folder of the images.")
        self._root = images
        self._reader = AnnotationFilesReader(images, annotations, options.classes)
        self.class_names = self._reader.class_names

    def __len__(self) -> int:
        return len(self._reader)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for index in range(len(self._reader)):
            key, name = self._reader.key(index), self._reader.path(index)
            try:
                annotation = self._reader.target(index)
                assert isinstance(annotation, dict)
                objects, size_px = read_objects(annotation, key, "annotation_json.")
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            yield AnnotatedImage(name, key, self._root / name, None, objects, size_px)


class AnnotationJsonSink(Sink):
    """Writes ``output``/images and ``output``/annotations; each annotation file names all classes."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        if images == "keep":
            raise UserError(
                "images=keep does not go with to=annotation_json, which needs a folder of images: use link."
            )
        self._placer = ImagePlacer(output / IMAGES, images, walked=True)
        self._annotations = output / ANNOTATIONS
        make_folder(self._annotations)
        self._categories = [{"class_id": class_id, "name": name} for class_id, name in enumerate(plan.class_names)]
        self._stems: set[str] = set()

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        assert image.objects is not None
        name = below_images_folder(image.name)
        stem = os.path.splitext(name)[0]
        if stem in self._stems:
            raise DataError(image.key, f"{stem}.json belongs to an earlier image already; rename the image")
        self._stems.add(stem)
        if len(f"{os.path.basename(stem)}.json".encode()) > MAX_NAME_BYTES:
            raise DataError(image.key, "has a name too long for a file that ends in .json; rename the image")
        self._placer.place(name, image, encoded)
        annotation = {"file": name, **annotation_of(image.objects, size_px), "categories": self._categories}
        write_beside(self._annotations, f"{stem}.json", json.dumps(annotation), image)

    def close(self) -> None:
        self._placer.check()


def _recognize(path: Path) -> str | None:
    is_meant = {IMAGES, ANNOTATIONS} <= set(entries(path)[1]) and first_files(path / ANNOTATIONS, ".json")
    return f"{ANNOTATIONS}/" if is_meant else None


def _reader(path: Path) -> AnnotationFilesReader:
    return AnnotationFilesReader(path / IMAGES, path / ANNOTATIONS)


FORMAT = DatasetFormat(
    name="annotation_json",
    place="folder with images and annotations",
    labels=frozenset(("boxes",)),
    source=AnnotationJsonSource,
    sink=AnnotationJsonSink,
    channel=ChannelForm("annotation JSON", _recognize, reader=_reader),
)

"""Augmented manifests whose labels are masks, as Ground Truth writes them for semantic segmentation."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from vision.data.convert.annotated_image import AnnotatedImage, Plan
from vision.data.convert.format import DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.manifest import IMAGE_KEY
from vision.data.convert.masks import IGNORED_PIXELS, mask_file, masked_image, upright_of
from vision.data.convert.output_files import ReferenceWriter, TextFile, below_images_folder, write_beside
from vision.data.labels import Task
from vision.data.masks.color_map import read_color_list
from vision.data.masks.label_map import MOST_CLASSES
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.readers.manifest import ManifestReader
from vision.data.readers.manifest_line import METADATA
from vision.data.skipped import Skipped
from vision.files.write_error import make_folder
from vision.settings.errors import DataError

_MASK_KEY, _MASKS = "mask-ref", "masks"


class MaskManifestSource(Source):
    """Reads the lines of one manifest; its color maps, or ``colors``, say which color is which class."""

    task: Task = "mask"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._root = options.root or path.parent
        self._reader = ManifestReader(path, options.attributes, options.root)
        if not self._reader.has_masks:
            raise DataError(str(path), "holds no masks but classes or boxes: it is of the format manifest")
        colors = self._reader.color_map if options.colors is None else read_color_list(options.colors)
        self.class_names = self._reader.class_names if colors is None else colors.class_names
        self._decode = MaskDecoder(MOST_CLASSES, colors=colors)

    def __len__(self) -> int:
        return len(self._reader)

    @property
    def remarks(self) -> tuple[str, ...]:
        return self._reader.remarks

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for index in range(len(self._reader)):
            path, key = self._reader.path(index), self._reader.key(index)
            try:
                mask = upright_of(self._decode(self._reader.target(index), key), self._root / path, key)
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            yield masked_image(Path(path).name if path.startswith("/") else path, key, self._root / path, mask)


class MaskManifestSink(Sink):
    """Writes a manifest, its images and a palette mask for each beside it; pixels hold class ids, as SageMaker reads.

    A color map is not written: SageMaker does not read it, and ignored pixels have no place in it.
    """

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        self._file = TextFile(output)
        self._references = ReferenceWriter(output.parent, images)
        self._masks = output.parent / _MASKS
        make_folder(self._masks)
        self._names: set[str] = set()

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        assert image.mask is not None
        name = os.path.splitext(below_images_folder(image.name))[0] + ".png"
        if name in self._names:
            raise DataError(image.key, f"{name} is the mask of an earlier image already; rename the image")
        reference = self._references.place(image, encoded)
        write_beside(self._masks, name, mask_file(image.mask, encoded), image)
        self._names.add(name)
        metadata = {
            "type": "groundtruth/semantic-segmentation",
            "human-annotated": "yes",
            "creation-date": datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds"),
            "job-name": "vision-convert",
        }
        line = {IMAGE_KEY: reference, _MASK_KEY: f"{_MASKS}/{name}", _MASK_KEY + METADATA: metadata}
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._references.check()
        self._file.close()

    def discard(self) -> None:
        self._file.discard()


FORMAT = DatasetFormat(
    name="manifest_masks",
    place="FILE.manifest or FILE.jsonl whose labels are masks, as Ground Truth writes them",
    labels=frozenset(("mask",)),
    source=MaskManifestSource,
    sink=MaskManifestSink,
    suffixes=(".manifest", ".jsonl"),
    kept=frozenset((IGNORED_PIXELS,)),
)

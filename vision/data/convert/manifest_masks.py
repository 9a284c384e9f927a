"""Augmented manifests whose labels are masks, as Ground Truth writes them for semantic segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vision.data.convert.annotated_image import AnnotatedImage
from vision.data.convert.format import DatasetFormat, Source, SourceOptions
from vision.data.convert.masks import masked_image, upright_of
from vision.data.labels import Task
from vision.data.masks.color_map import read_color_list
from vision.data.masks.label_map import MOST_CLASSES
from vision.data.masks.mask_decoder import MaskDecoder
from vision.data.readers.manifest import ManifestReader
from vision.data.skipped import Skipped
from vision.settings.errors import DataError


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


FORMAT = DatasetFormat(
    name="manifest_masks",
    place="FILE.manifest or FILE.jsonl of Ground Truth whose labels are masks (read only)",
    labels=frozenset(("mask",)),
    source=MaskManifestSource,
    sink=None,
    suffixes=(".manifest", ".jsonl"),
)

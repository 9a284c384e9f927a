"""Boxes around crowds (COCO's iscrowd): no single object, so no format may take them for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vision.data.convert.format import DatasetFormat, Source
from vision.data.convert.neutral import AnnotatedImage
from vision.data.skipped import Skipped

IS_CROWD = "coco.iscrowd"


class WithoutCrowds(Source):
    """``source`` less its boxes around crowds, which are counted in a note."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.task, self.class_names = source.task, source.class_names
        self.least_classes = source.least_classes

    @property
    def remarks(self) -> tuple[str, ...]:
        return self._source.remarks

    def __len__(self) -> int:
        return len(self._source)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for image in self._source.images(skipped):
            objects = tuple(item for item in image.objects or () if not item.extra.get(IS_CROWD))
            if image.objects is None or len(objects) == len(image.objects):
                yield image
                continue
            skipped.note(image.key, "has boxes around crowds (iscrowd), which are no single objects: left out")
            yield replace(image, objects=objects)


def single_objects(source: Source, target: DatasetFormat) -> Source:
    """Return ``source`` without crowds where ``target`` cannot say that they are crowds."""
    return source if IS_CROWD in target.kept or source.task != "boxes" else WithoutCrowds(source)

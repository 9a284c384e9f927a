"""LabelMe: rectangles around objects, or the flags that are ticked for an image, as its classes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Plan
from vision.data.convert.format import ChannelForm, DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.label_forms import number
from vision.data.convert.labelme_files import (
    BACKGROUND,
    IGNORED_LABEL,
    LEAST_POINTS,
    RECTANGLE,
    SUFFIX,
    LabelMeFolder,
    box_around,
    kind_of,
    recognize,
    shape_of,
    size_stated_in,
    ticked_flags,
)
from vision.data.convert.output_files import ImagePlacer, below_images_folder, write_beside
from vision.data.labels import Task
from vision.data.skipped import Skipped
from vision.settings.errors import DataError, UserError
from vision.settings.file_names import MAX_NAME_BYTES

# The flag of a shape that other formats call difficult; the version in whose form files are written.
_DIFFICULT, _VERSION = "difficult", "5.5.0"
_EXTRA = ("group_id", "description")


class LabelMeSource(Source):
    """Reads the JSON files below a folder: boxes if any shape is a rectangle, else the flags of images.

    Classes follow classes.txt, else their sorted names. With ``box_polygons`` the boxes around all shapes with an area
    count too; without it such shapes are left out.
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._folder = LabelMeFolder(path, options.root)
        self._kinds = frozenset(LEAST_POINTS if options.box_polygons else (RECTANGLE,))
        found = self._folder.contents()
        labels = {label for kind in self._kinds for label in found.labels.get(kind, ())} - {BACKGROUND, IGNORED_LABEL}
        self.task: Task = "boxes" if labels else "multi" if found.most_ticked > 1 else "single"
        if not labels and not found.most_ticked:
            raise UserError(f"{path} holds no rectangles and no ticked flags of LabelMe{_instead(found.labels)}.")
        names = options.class_names or find_class_list(options.classes, path)
        self.class_names = names or tuple(sorted(labels or found.flags))
        self._ids = {name: class_id for class_id, name in enumerate(self.class_names)}

    def __len__(self) -> int:
        return len(self._folder.files)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for file in self._folder.files:
            try:
                yield self._image(file, skipped)
            except DataError as error:
                skipped.add(error.key, error.reason)

    def _image(self, file: str, skipped: Skipped) -> AnnotatedImage:
        document = self._folder.read(file)
        name, image, _ = self._folder.image(file, document)
        key, size_px = f"{file} ({name})", size_stated_in(document)
        if self.task != "boxes":
            chosen = sorted(self._class_id(flag, key) for flag, ticked in ticked_flags(document).items() if ticked)
            if self.task == "single" and len(chosen) != 1:
                raise DataError(key, f"has {len(chosen)} ticked flags, where other images have one")
            return AnnotatedImage(name, key, image, tuple(chosen))
        objects = []
        for place, shape in enumerate(document["shapes"]):
            try:
                objects.append(self._object(shape, f"{key} shape {place}"))
            except DataError as error:
                skipped.add(error.key, error.reason)
        return AnnotatedImage(name, key, image, None, tuple(objects), size_px)

    def _object(self, shape: Any, where: str) -> AnnotatedObject:
        if not isinstance(shape, Mapping):
            raise DataError(where, f"is {shape!r:.60}, which must be an object with label and points")
        try:
            box = box_around(shape)
        except ValueError as problem:
            raise DataError(where, str(problem)) from None
        kind = kind_of(shape)
        if kind not in self._kinds:
            raise DataError(where, f"is a {kind}, and no box: box_polygons=true takes the box around it")
        flags = ticked_flags(shape)
        extra: dict[str, object] = {f"labelme.{k}": shape[k] for k in _EXTRA if shape.get(k) not in (None, "")}
        more = {name: True for name, ticked in flags.items() if ticked and name != _DIFFICULT}
        if more:
            extra["labelme.flags"] = more
        return AnnotatedObject(self._class_id(shape.get("label"), where), box, flags.get(_DIFFICULT, False), extra)

    def _class_id(self, name: object, where: str) -> int:
        if not isinstance(name, str) or name not in self._ids:
            raise DataError(where, f"has the label {name!r:.60}, which is none of {', '.join(self._ids)[:200]}")
        return self._ids[name]


class LabelMeSink(Sink):
    """Writes each image below ``output`` and its JSON file beside it, as LabelMe opens the folder."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        if images == "keep":
            raise UserError("images=keep does not go with to=labelme, whose files lie beside the images: use link.")
        self._output, self._plan = output, plan
        self._placer = ImagePlacer(output, images, walked=True)
        self._stems: set[str] = set()

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        name = below_images_folder(image.name)
        stem = os.path.splitext(name)[0]
        if stem in self._stems:
            raise DataError(image.key, f"{stem}{SUFFIX} belongs to an earlier image already; rename the image")
        self._stems.add(stem)
        if len(f"{os.path.basename(stem)}{SUFFIX}".encode()) > MAX_NAME_BYTES:
            raise DataError(image.key, f"has a name too long for a file that ends in {SUFFIX}; rename the image")
        self._placer.place(name, image, encoded)
        chosen = None if image.mask is not None else image.class_ids
        flags = {} if chosen is None else {label: place in chosen for place, label in enumerate(self._plan.class_names)}
        document = {
            "version": _VERSION,
            "flags": flags,
            "shapes": self._shapes(image),
            "imagePath": os.path.basename(name),
            "imageData": None,
            "imageHeight": size_px[1],
            "imageWidth": size_px[0],
        }
        text = json.dumps(document, ensure_ascii=False, indent=2)
        write_beside(self._output, f"{stem}{SUFFIX}", f"{text}\n", image)

    def close(self) -> None:
        self._placer.check()

    def _shapes(self, image: AnnotatedImage) -> list[dict[str, object]]:
        return [_rectangle(item, self._plan.class_names[item.class_id]) for item in image.objects or ()]


def _rectangle(item: AnnotatedObject, label: str) -> dict[str, object]:
    left, top, right, bottom = map(number, item.xyxy_px)
    flags = {**item.extra.get("labelme.flags", {}), **({_DIFFICULT: True} if item.difficult else {})}
    said = {name: item.extra[f"labelme.{name}"] for name in _EXTRA if f"labelme.{name}" in item.extra}
    return shape_of(label, RECTANGLE, [[left, top], [right, bottom]]) | said | {"flags": flags}


def _instead(labels: Mapping[str, set[str]]) -> str:
    """Return what to do where other shapes than rectangles were drawn."""
    others = [kind for kind in labels if kind in LEAST_POINTS and kind != RECTANGLE]
    if not others:
        return ""
    return (
        f", but the shape {others[0]}: box_polygons=true takes the box around each, and to=masks makes masks of pixels"
    )


FORMAT = DatasetFormat(
    name="labelme",
    place="folder of LabelMe: images and a .json file beside each, with rectangles or flags",
    labels=frozenset(("single", "multi", "boxes")),
    source=LabelMeSource,
    sink=LabelMeSink,
    kept=frozenset(("labelme.flags", *(f"labelme.{name}" for name in _EXTRA))),
    keeps_difficult=True,
    channel=ChannelForm("a folder of LabelMe", recognize, numbered_by_train=True),
)

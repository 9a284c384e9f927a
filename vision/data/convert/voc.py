"""Pascal VOC: a folder of images (JPEGImages) and one XML file for each (Annotations)."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from vision.data.class_list import find_class_list, write_class_list
from vision.data.convert.decimals import number
from vision.data.convert.format import Sink, Source, SourceOptions
from vision.data.convert.image_files import IMAGES, ImagePlacer, below_images_folder
from vision.data.convert.neutral import AnnotatedImage, AnnotatedObject, Plan, Task
from vision.data.convert.voc_xml import Element, read_xml, text_of
from vision.data.left_out import LeftOut
from vision.data.readers.file_table import IMAGE_SUFFIXES, path_problem, walk_files
from vision.settings.errors import DataError, UserError

ANNOTATIONS, JPEG_IMAGES, LISTS = "Annotations", "JPEGImages", "ImageSets/Main"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
# What an object states by default is not kept.
DEFAULTS = {"truncated": ("0", ""), "occluded": ("0", ""), "pose": ("Unspecified", "")}


class VocSource(Source):
    """``path`` holds Annotations and JPEGImages. Class ids follow classes.txt, else the sorted names."""

    task: Task = "boxes"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._annotations = path / ANNOTATIONS if (path / ANNOTATIONS).is_dir() else path
        self._roots = [options.root] if options.root else [path / JPEG_IMAGES, path / IMAGES, path]
        self._offset = 1 if options.one_based else 0
        self._files = _listed(path, options.split) if options.split else _all_files(self._annotations)
        if not self._files:
            raise UserError(f"{self._annotations} holds no .xml files.")
        self.class_names = find_class_list(options.classes, path) or self._found_names()
        self._ids = {name: class_id for class_id, name in enumerate(self.class_names)}

    def __len__(self) -> int:
        return len(self._files)

    def images(self, left_out: LeftOut) -> Iterator[AnnotatedImage]:
        for file in self._files:
            try:
                yield self._image(file, left_out)
            except DataError as error:
                left_out.add(error.key, error.reason)

    def _image(self, file: str, left_out: LeftOut) -> AnnotatedImage:
        root = read_xml(self._annotations / file, file)
        name, path = self._find_image(file, text_of(root, "filename"))
        sides = [text_of(root, f"size/{side}") for side in ("width", "height")]
        if not all(side.isascii() and side.isdigit() and int(side) > 0 for side in sides):
            raise DataError(file, f"has the size {'x'.join(sides)}, which must be width and height in pixels")
        objects = []
        for place, element in enumerate(root.findall("object")):
            try:
                objects.append(self._object(element, f"{file} object {place}"))
            except DataError as error:
                left_out.add(error.key, error.reason)
        return AnnotatedImage(name, f"{file} ({name})", path, None, tuple(objects), (int(sides[0]), int(sides[1])))

    def _object(self, element: Element, key: str) -> AnnotatedObject:
        name = text_of(element, "name")
        if name not in self._ids:
            raise DataError(key, f"has the class {name!r:.60}, which is none of {', '.join(self._ids)[:200]}")
        corners = [_corner(text_of(element, f"bndbox/{corner}"), corner, key) - self._offset for corner in CORNERS]
        stated = {tag: text_of(element, tag) for tag in DEFAULTS}
        extra: dict[str, object] = {f"voc.{tag}": text for tag, text in stated.items() if text not in DEFAULTS[tag]}
        if element.find("part") is not None:
            extra["voc.part"] = len(element.findall("part"))
        box = (corners[0], corners[1], corners[2], corners[3])
        return AnnotatedObject(self._ids[name], box, text_of(element, "difficult") == "1", extra)

    def _find_image(self, file: str, filename: str) -> tuple[str, Path]:
        """The image beside the XML's own path in its tree, by its file name, then by the XML's name."""
        stem = os.path.splitext(file)[0]
        folder = os.path.dirname(file)
        names = [f"{folder}/{filename}" if folder else filename] if filename else []
        names += [f"{stem}{suffix}" for suffix in sorted(IMAGE_SUFFIXES)]
        for root in self._roots:
            for name in names:
                if path_problem(root, name) is None:
                    return name, root / name
        raise DataError(
            file, f"has no image {names[0]!r:.100} below {self._roots[0]}; give root=FOLDER if it lies elsewhere"
        )

    def _found_names(self) -> tuple[str, ...]:
        found: set[str] = set()
        for file in self._files:
            try:
                root = read_xml(self._annotations / file, file)
            except DataError:
                continue
            found.update(text_of(element, "name") for element in root.findall("object"))
        found.discard("")
        return tuple(sorted(found))


class VocSink(Sink):
    """``output``/Annotations, ``output``/JPEGImages and classes.txt, which keeps the order of ids."""

    TASKS = frozenset(("boxes",))
    HOLDS = frozenset(f"voc.{name}" for name in DEFAULTS)
    HOLDS_DIFFICULT = True

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        if images == "keep":
            raise UserError("images=keep does not go with to=voc, which has a folder of images: use images=link.")
        self._output, self._names = output, plan.class_names
        self._placer = ImagePlacer(output / JPEG_IMAGES, images)
        self._stems: set[str] = set()
        output.mkdir(parents=True, exist_ok=True)
        write_class_list(output, plan.class_names)

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        assert image.objects is not None
        name = below_images_folder(image.name)
        stem = os.path.splitext(name)[0]
        if stem in self._stems:
            raise DataError(image.key, f"{stem}.xml belongs to an earlier image already; rename the image")
        self._stems.add(stem)
        self._placer.place(name, image, encoded)
        root = ElementTree.Element("annotation")
        _add(root, "folder", JPEG_IMAGES)
        _add(root, "filename", os.path.basename(name))
        size = ElementTree.SubElement(root, "size")
        for side, value in zip(("width", "height", "depth"), (*size_px, 3), strict=True):
            _add(size, side, str(value))
        for item in image.objects:
            self._add_object(root, item)
        ElementTree.indent(root)
        path = self._output / ANNOTATIONS / f"{stem}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ElementTree.tostring(root, encoding="utf-8"))

    def _add_object(self, root: Element, item: AnnotatedObject) -> None:
        element = ElementTree.SubElement(root, "object")
        _add(element, "name", self._names[item.class_id])
        for name, defaults in DEFAULTS.items():
            _add(element, name, str(item.extra.get(f"voc.{name}", defaults[0])))
        _add(element, "difficult", str(int(item.difficult)))
        box = ElementTree.SubElement(element, "bndbox")
        for corner, value in zip(CORNERS, item.xyxy_px, strict=True):
            _add(box, corner, str(number(value)))

    def close(self) -> None:
        """Every file is complete already."""


def _add(parent: Element, tag: str, text: str) -> None:
    ElementTree.SubElement(parent, tag).text = text


def _corner(text: str, corner: str, key: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) < 1e9:
        raise DataError(key, f"has {corner}={text!r:.40}, which must be a number of pixels")
    return value


def _all_files(annotations: Path) -> list[str]:
    return [path for path in walk_files(annotations) if path.lower().endswith(".xml")] if annotations.is_dir() else []


def _listed(path: Path, split: str) -> list[str]:
    try:
        lines = (path / LISTS / f"{split}.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"split={split} needs the list {path / LISTS / split}.txt, which cannot be read: {error}."
        ) from None
    return [f"{line.split()[0]}.xml" for line in lines if line.strip() and line.split()[-1] != "-1"]


SOURCE, SINK = VocSource, VocSink

"""Pascal VOC: a folder of images (JPEGImages) and one XML file for each (Annotations)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Plan, size_note, stated_size
from vision.data.convert.dataset_folder import first_files, head, is_part, part_for
from vision.data.convert.format import ChannelForm, DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.image_finder import ImageFinder
from vision.data.convert.label_forms import number
from vision.data.convert.output_files import ImagePlacer, below_images_folder, write_beside
from vision.data.convert.safe_xml import Element, read_xml, text_of
from vision.data.convert.voc_files import ANNOTATIONS, JPEG_IMAGES, VocLayout
from vision.data.labels import Task
from vision.data.skipped import Skipped
from vision.files.write_error import make_folder
from vision.settings.errors import DataError, UserError

ROOT = "annotation"
# <annotations> begins a file of CVAT.
_ROOT_TAG = re.compile(rb"<annotation[\s>]")
CORNERS = ("xmin", "ymin", "xmax", "ymax")
# What an object states by default is not kept.
DEFAULTS = {"truncated": ("0", ""), "occluded": ("0", ""), "pose": ("Unspecified", "")}


class VocSource(Source):
    """Reads Annotations and JPEGImages of ``path``, or folders with other names in use for them.

    Class ids follow classes.txt, else the sorted names of all annotations, whatever the ``split`` and in every part
    (train beside valid), so that all parts have the same.
    """

    task: Task = "boxes"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._layout = VocLayout(path)
        self._annotations = self._layout.annotations
        self._finder = ImageFinder([options.root] if options.root else self._layout.roots)
        self._offset = 1 if options.one_based else 0
        self._list_problems = Skipped()
        listed = self._layout.listed(options.split, self._list_problems) if options.split else None
        self._files = self._layout.files() if listed is None else listed
        if not self._files:
            raise UserError(f"split={options.split} names none of the annotations in {self._annotations}.")
        self._known = frozenset(self._files)
        top = self._layout.top
        self.class_names = options.class_names or find_class_list(
            options.classes, top, *([top.parent] if is_part(top) else [])
        )
        if self.class_names is None:
            self.class_names = self._found_names()
        self._ids = {name: class_id for class_id, name in enumerate(self.class_names)}

    def __len__(self) -> int:
        return len(self._files)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        skipped.extend(self._list_problems)
        for file in self._files:
            try:
                yield self._image(file, skipped)
            except DataError as error:
                skipped.add(error.key, error.reason)

    def _image(self, file: str, skipped: Skipped) -> AnnotatedImage:
        root = read_xml(self._annotations / file, file, ROOT)
        name, path = self._find_image(file, text_of(root, "filename"), skipped)
        sides = text_of(root, "size/width"), text_of(root, "size/height")
        size_px = stated_size(*sides)
        if size_px is None:
            skipped.note(file, size_note(*sides))
        objects = []
        for place, element in enumerate(root.findall("object")):
            try:
                objects.append(self._object(element, f"{file} object {place}"))
            except DataError as error:
                skipped.add(error.key, error.reason)
        return AnnotatedImage(name, f"{file} ({name})", path, None, tuple(objects), size_px)

    def _object(self, element: Element, key: str) -> AnnotatedObject:
        name = text_of(element, "name")
        if name not in self._ids:
            raise DataError(
                key,
                f"has the class {name!r:.60}, which is none of {', '.join(self._ids)[:200]}: add it to classes=FILE or "
                "classes.txt",
            )
        corners = [_corner(text_of(element, f"bndbox/{corner}"), corner, key) - self._offset for corner in CORNERS]
        stated = {tag: text_of(element, tag) for tag in DEFAULTS}
        extra: dict[str, object] = {f"voc.{tag}": text for tag, text in stated.items() if text not in DEFAULTS[tag]}
        if element.find("part") is not None:
            extra["voc.part"] = len(element.findall("part"))
        box = (corners[0], corners[1], corners[2], corners[3])
        return AnnotatedObject(self._ids[name], box, text_of(element, "difficult") == "1", extra)

    def _find_image(self, file: str, filename: str, skipped: Skipped) -> tuple[str, Path]:
        """Return the image at the place of the XML file in its own tree: by ``filename``, then by the XML's name."""
        stem = os.path.splitext(file)[0]
        folder = os.path.dirname(file)
        name = f"{folder}/{filename}" if folder and filename else filename
        other = os.path.splitext(name)[0]
        if other != stem and f"{other}.xml" in self._known:
            # The XML was copied, or renamed with its image, and its text forgotten.
            own = self._finder.by_stem(stem, file)
            if own is not None:
                skipped.note(file, f"names {filename!r:.100}, the image of {other}.xml: {own[0]!r:.100} is used")
                return own
        try:
            return self._finder.find(name or stem, file)
        except DataError:
            found = self._finder.by_stem(stem, file)
            if found is None:
                raise
            return found

    def _found_names(self) -> tuple[str, ...]:
        """Return the sorted class names of the whole data set."""
        found: set[str] = set()
        for folder, file in self._layout.all_files():
            try:
                root = read_xml(folder / file, file, ROOT)
            except DataError:
                continue
            found.update(text_of(element, "name") for element in root.findall("object"))
        found.discard("")
        return tuple(sorted(found))


class VocSink(Sink):
    """Writes ``output``/Annotations and ``output``/JPEGImages; classes.txt keeps the order of the ids."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        if images == "keep":
            raise UserError("images=keep does not go with to=voc, which has a folder of images: use images=link.")
        self._names = plan.class_names
        self._placer = ImagePlacer(output / JPEG_IMAGES, images)
        self._stems: set[str] = set()
        self._annotations = output / ANNOTATIONS
        make_folder(self._annotations)

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
        write_beside(self._annotations, f"{stem}.xml", ElementTree.tostring(root, encoding="utf-8"), image)

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
        self._placer.check()


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


def _recognize(path: Path) -> str | None:
    folder = VocLayout(path).annotations
    is_meant = any(_ROOT_TAG.search(head(file)) for file in first_files(folder, ".xml"))
    return f"{folder.name}/" if is_meant else None


def _part(path: Path, channel: str, is_shared: bool) -> tuple[Path, str | None]:
    """Return the path with the list of ImageSets for ``channel``, where training and validation share the path."""
    return path, part_for(channel, VocLayout(path).lists()) if is_shared and path.is_dir() else None


FORMAT = DatasetFormat(
    name="voc",
    place="folder with JPEGImages (or images) and Annotations",
    labels=frozenset(("boxes",)),
    source=VocSource,
    sink=VocSink,
    kept=frozenset(f"voc.{name}" for name in DEFAULTS),
    keeps_difficult=True,
    channel=ChannelForm("a VOC data set", _recognize, _part, numbered_by_train=True),
)

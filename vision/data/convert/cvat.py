"""CVAT: "CVAT for images 1.1", an XML file with the boxes and tags of all images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Plan, size_note, stated_size
from vision.data.convert.dataset_folder import head, meant_file, only_file
from vision.data.convert.format import ChannelForm, DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.image_finder import ImageFinder
from vision.data.convert.label_forms import number
from vision.data.convert.output_files import IMAGES, ReferenceWriter, TextFile, below_images_folder
from vision.data.convert.safe_xml import Element, read_xml, text_of
from vision.data.labels import Task
from vision.data.skipped import Skipped
from vision.settings.errors import DataError, UserError

CORNERS = ("xtl", "ytl", "xbr", "ybr")
_ROOT = "annotations"
_MAX_BYTES, _MAX_ELEMENTS = 512 << 20, 5_000_000
_EXTRA = ("occluded", "z_order")


class CvatSource(Source):
    """Reads the XML file at ``path``, or the only one in that folder, into memory.

    Classes follow classes.txt, else the labels of the file's task, else their sorted names. Images with boxes are of
    detection; where there are none, tags are the classes of images.
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        path = only_file(path, ".xml", _is_export, "CVAT") if path.is_dir() else path
        self._path = path
        root = read_xml(path, path.name, _ROOT, _MAX_BYTES, _MAX_ELEMENTS)
        self._images = root.findall("image")
        if not self._images:
            raise UserError(f"{path} holds no image: choose CVAT for images 1.1 when you export.")
        self.task: Task = "boxes"
        if not any(image.find("box") is not None for image in self._images):
            counts = [len(image.findall("tag")) for image in self._images]
            if not any(counts):
                raise UserError(f"{path} holds neither boxes nor tags.")
            self.task = "multi" if max(counts) > 1 else "single"
        self._finder = ImageFinder([options.root] if options.root else [path.parent / IMAGES, path.parent])
        stated = tuple(text_of(label, "name") for label in root.iterfind("meta//labels/label"))
        names = options.class_names or find_class_list(options.classes, path.parent) or stated
        self.class_names = names or tuple(sorted({item.get("label", "") for item in root.iterfind("image/*")} - {""}))
        self._ids = {name: class_id for class_id, name in enumerate(self.class_names)}

    def __len__(self) -> int:
        return len(self._images)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for place, image in enumerate(self._images):
            try:
                yield self._image(image, f"{self._path.name} image {image.get('id', place)}", skipped)
            except DataError as error:
                skipped.add(error.key, error.reason)

    def _image(self, image: Element, key: str, skipped: Skipped) -> AnnotatedImage:
        name, path = self._finder.find(image.get("name"), key)
        key = f"{key} ({name})"
        sides = image.get("width"), image.get("height")
        size_px = stated_size(*sides)
        if size_px is None:
            skipped.note(key, size_note(*sides))
        if self.task != "boxes":
            chosen = sorted({self._class_id(tag, key) for tag in image.findall("tag")})
            if self.task == "single" and len(chosen) != 1:
                raise DataError(key, "has no tag: it was not labeled")
            return AnnotatedImage(name, key, path, tuple(chosen), None, size_px)
        objects = []
        for place, shape in enumerate(image):
            try:
                objects.append(self._object(shape, f"{key} shape {place}"))
            except DataError as error:
                skipped.add(error.key, error.reason)
        return AnnotatedImage(name, key, path, None, tuple(objects), size_px)

    def _object(self, shape: Element, where: str) -> AnnotatedObject:
        if shape.tag != "box":
            raise DataError(where, f"is a {shape.tag[:20]}: only boxes are read")
        if shape.get("rotation", "0").strip("0."):
            raise DataError(where, f"is turned by {shape.get('rotation')!s:.20} degrees: only upright boxes are read")
        try:
            left, top, right, bottom = (float(shape.get(corner, "")) for corner in CORNERS)
        except ValueError:
            raise DataError(where, f"must have numbers of pixels as {', '.join(CORNERS)}") from None
        if not all(abs(corner) < 1e9 for corner in (left, top, right, bottom)):
            raise DataError(where, f"must have numbers of pixels as {', '.join(CORNERS)}")
        stated = {attribute.get("name"): (attribute.text or "").strip() for attribute in shape.findall("attribute")}
        is_difficult = stated.pop("difficult", "").lower() in ("true", "1")
        extra: dict[str, object] = {f"cvat.{name}": shape.get(name) for name in _EXTRA if shape.get(name, "0") != "0"}
        if stated:
            extra["cvat.attributes"] = stated
        return AnnotatedObject(self._class_id(shape, where), (left, top, right, bottom), is_difficult, extra)

    def _class_id(self, item: Element, where: str) -> int:
        name = item.get("label", "")
        if name not in self._ids:
            raise DataError(where, f"has the label {name!r:.60}, which is none of {', '.join(self._ids)[:200]}")
        return self._ids[name]


class CvatSink(Sink):
    """Writes the XML file ``output`` and the images beside it, in images."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        self._plan, self._keep = plan, images == "keep"
        self._file = TextFile(output)
        self._references = ReferenceWriter(output.parent, images)
        self._written = 0
        root = ElementTree.Element("meta")
        labels = ElementTree.SubElement(ElementTree.SubElement(root, "task"), "labels")
        for name in plan.class_names:
            ElementTree.SubElement(ElementTree.SubElement(labels, "label"), "name").text = name
        self._file.write(f"<{_ROOT}>\n<version>1.1</version>\n{ElementTree.tostring(root, encoding='unicode')}\n")

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        reference = self._references.place(image, encoded)
        name = reference if self._keep else below_images_folder(reference)
        sides = {"width": str(size_px[0]), "height": str(size_px[1])}
        element = ElementTree.Element("image", {"id": str(self._written), "name": name, **sides})
        for class_id in image.class_ids or ():
            ElementTree.SubElement(element, "tag", {"label": self._plan.class_names[class_id], "source": "manual"})
        for item in image.objects or ():
            _add_box(element, item, self._plan.class_names[item.class_id])
        self._file.write(ElementTree.tostring(element, encoding="unicode") + "\n")
        self._written += 1

    def close(self) -> None:
        self._references.check()
        self._file.write(f"</{_ROOT}>\n")
        self._file.close()

    def discard(self) -> None:
        self._file.discard()


def _add_box(image: Element, item: AnnotatedObject, label: str) -> None:
    corners = {corner: str(number(value)) for corner, value in zip(CORNERS, item.xyxy_px, strict=True)}
    stated = {name: str(item.extra.get(f"cvat.{name}", "0")) for name in _EXTRA}
    box = ElementTree.SubElement(image, "box", {"label": label, "source": "manual", **stated, **corners})
    attributes = item.extra.get("cvat.attributes", {})
    more = {"difficult": "true"} if item.difficult else {}
    for name, text in {**(attributes if isinstance(attributes, dict) else {}), **more}.items():
        ElementTree.SubElement(box, "attribute", {"name": str(name)}).text = str(text)


def _is_export(path: Path) -> bool:
    return b"<annotations>" in head(path)


FORMAT = DatasetFormat(
    name="cvat",
    place="FILE.xml of CVAT for images 1.1; images beside it or in images",
    labels=frozenset(("single", "multi", "boxes")),
    source=CvatSource,
    sink=CvatSink,
    suffixes=(".xml",),
    kept=frozenset(("cvat.attributes", *(f"cvat.{name}" for name in _EXTRA))),
    keeps_difficult=True,
    channel=ChannelForm(
        "an export of CVAT", partial(meant_file, suffix=".xml", is_meant=_is_export), numbered_by_train=True
    ),
)

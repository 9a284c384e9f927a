"""COCO object detection: one JSON file with images, annotations and categories."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Box, Plan, size_note, stated_size
from vision.data.convert.coco_file import CocoFile, coco_file_in, coco_files_in, is_id
from vision.data.convert.coco_segmentation import box_of, is_number
from vision.data.convert.dataset_folder import PARTS, first_files, head
from vision.data.convert.format import ChannelForm, DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.image_finder import ImageFinder
from vision.data.convert.label_forms import ltwh_of_xyxy, xyxy_of_ltwh
from vision.data.convert.output_files import ID, IMAGES, Numbering, ReferenceWriter, TextFile, below_images_folder
from vision.data.labels import Task
from vision.data.skipped import Skipped
from vision.settings.errors import DataError, UserError

EXTRA = ("segmentation", "iscrowd", "attributes", "keypoints", "num_keypoints")
_OWN = ("id", "image_id", "category_id", "bbox", "area")


class CocoSource(Source):
    """Reads the JSON file at ``path``, or the only one in that folder, into memory.

    Classes are the categories in the order of their ids, or as a classes.txt beside the file orders their names.
    """

    task: Task = "boxes"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        path = coco_file_in(path) if path.is_dir() else path
        self._path, self._file = path, CocoFile(path, options)
        self.class_names = self._file.class_names
        self._finder = ImageFinder([options.root] if options.root else image_folders(path))

    def __len__(self) -> int:
        return len(self._file.images)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        self._file.report(skipped)
        for number, image in enumerate(self._file.images):
            try:
                yield self._image(image, number, skipped)
            except DataError as error:
                skipped.add(error.key, error.reason)

    def _image(self, image: object, number: int, skipped: Skipped) -> AnnotatedImage:
        image, key = self._checked(image, number)
        name, path = self._finder.find(image.get("file_name"), key)
        sides = image.get("width"), image.get("height")
        size_px = stated_size(*sides)
        if size_px is None:
            skipped.note(key, size_note(*sides))
        objects = []
        for annotation in self._file.annotations_of[image["id"]]:
            try:
                objects.append(self._object(annotation, key, skipped))
            except DataError as error:
                skipped.add(error.key, error.reason)
        extra = {ID: image["id"]} if isinstance(image["id"], int) else {}
        return AnnotatedImage(name, key, path, None, tuple(objects), size_px, extra)

    def _checked(self, image: object, number: int) -> tuple[Mapping[str, Any], str]:
        """Return an image of the file and its key. Raises DataError."""
        key = f"{self._path.name} image {number}"
        if not isinstance(image, Mapping) or not is_id(image.get("id")):
            raise DataError(key, "is not an object with a number or a text as its id")
        return image, f"{key} ({image.get('file_name')!s:.200})"

    def _object(self, annotation: Mapping[str, Any], key: str, skipped: Skipped) -> AnnotatedObject:
        where = f"{key} annotation {annotation.get('id')!s:.40}"
        category_id = annotation.get("category_id")
        if not is_id(category_id) or category_id not in self._file.class_of:
            raise DataError(where, f"has category_id={category_id!r:.40}, which no category has")
        extra = {f"coco.{name}": value for name, value in annotation.items() if name not in _OWN}
        attributes, difficult = _without_difficult(extra.pop("coco.attributes", None))
        if attributes:
            extra["coco.attributes"] = attributes
        if not extra.get("coco.iscrowd"):
            extra.pop("coco.iscrowd", None)
        if not extra.get("coco.segmentation"):
            extra.pop("coco.segmentation", None)
        return AnnotatedObject(self._file.class_of[category_id], _box(annotation, where, skipped), difficult, extra)


class CocoSink(Sink):
    """Writes the JSON file ``output`` and the images beside it.

    Category ids count from 1; an object is marked difficult in its ``attributes``.
    """

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        self._plan, self._keep, self._numbering = plan, images == "keep", Numbering()
        self._file = TextFile(output)
        # The two lists grow side by side; the second waits in a file of its own.
        self._annotations = output.with_name(f".{output.name}.annotations")
        self._annotation_file = TextFile(self._annotations)
        self._references = ReferenceWriter(output.parent, images)
        self._images_written = self._annotations_written = 0
        self._file.write('{"images": [')

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        assert image.objects is not None
        reference = self._references.place(image, encoded)
        image_id = self._numbering.id_of(image)
        name = reference if self._keep else below_images_folder(reference)
        entry = {"id": image_id, "file_name": name, "width": size_px[0], "height": size_px[1]}
        self._file.write(("," if self._images_written else "") + "\n" + json.dumps(entry))
        self._images_written += 1
        for item in image.objects:
            comma = "," if self._annotations_written else ""
            self._annotations_written += 1
            annotation = _annotation(item, image_id, self._annotations_written)
            self._annotation_file.write(f"{comma}\n{json.dumps(annotation)}")

    def close(self) -> None:
        self._references.check()
        self._annotation_file.close()
        self._file.write('],\n"annotations": [')
        with self._annotations.open(encoding="utf-8") as file:
            while text := file.read(1 << 20):
                self._file.write(text)
        self._annotations.unlink()
        categories = [
            {"id": class_id, "name": name, "supercategory": ""}
            for class_id, name in enumerate(self._plan.class_names, 1)
        ]
        self._file.write(f'],\n"categories": {json.dumps(categories)}}}\n')
        self._file.close()

    def discard(self) -> None:
        self._annotation_file.discard()
        self._file.discard()


def _annotation(item: AnnotatedObject, image_id: int, annotation_id: int) -> dict[str, Any]:
    x, y, width, height = ltwh_of_xyxy(item.xyxy_px)
    kept = {name: item.extra[f"coco.{name}"] for name in EXTRA if f"coco.{name}" in item.extra}
    attributes = kept.pop("attributes", {})
    if item.difficult:
        attributes = {**(attributes if isinstance(attributes, Mapping) else {"": attributes}), "difficult": True}
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": item.class_id + 1,
        "bbox": [x, y, width, height],
        "area": item.extra.get("coco.area", width * height),
        "iscrowd": 0,
        "segmentation": [],
        **kept,
        **({"attributes": attributes} if attributes else {}),
    }


def _box(annotation: Mapping[str, Any], where: str, skipped: Skipped) -> Box:
    """Return the corners of the bbox or, where there is none, around the segmentation. Raises DataError."""
    bbox = annotation.get("bbox")
    if bbox or not annotation.get("segmentation"):
        if not (isinstance(bbox, list) and len(bbox) == 4 and all(map(is_number, bbox))):
            raise DataError(where, f"has bbox={bbox!r:.60}, which must be x, y, width, height in pixels")
        return xyxy_of_ltwh(*bbox)
    try:
        box = box_of(annotation["segmentation"])
    except ValueError as problem:
        raise DataError(where, f"has no bbox and {problem}") from None
    skipped.note(where, "has no bbox: its box is that around its segmentation")
    return box


def _without_difficult(attributes: object) -> tuple[object, bool]:
    """Return the attributes without ``difficult``, and its value; what is not a mapping stays as it is."""
    if not isinstance(attributes, Mapping):
        return attributes, False
    rest = {name: value for name, value in attributes.items() if name != "difficult"}
    return rest, attributes.get("difficult") in (True, "1", "true", "True")


def image_folders(path: Path) -> list[Path]:
    """Return the folders where a COCO file's images usually are; for instances_train2017.json train2017 is one."""
    folder, part = path.parent, path.stem.rpartition("_")[2]
    places = [folder / IMAGES, folder, folder.parent / IMAGES]
    return [*places, *(place / part for place in (folder.parent, folder, folder.parent / IMAGES, folder / IMAGES))]


def _recognize(path: Path) -> str | None:
    if path.is_file():
        return path.name if path.suffix.lower() == ".json" and _is_coco(path) else None
    for place in (path, path / "annotations"):
        found = next((file for file in first_files(place, ".json") if _is_coco(file)), None)
        if found is not None:
            return str(found.relative_to(path))
    return None


def _is_coco(path: Path) -> bool:
    begin = head(path).lstrip(b"\xef\xbb\xbf \t\r\n")
    return begin.startswith(b"{") and (b'"images"' in begin or b'"image_id"' in begin)


def _part(path: Path, channel: str, is_shared: bool) -> tuple[Path, None]:
    """Return the file of a folder whose name says that it is for ``channel``, or the only one."""
    if path.is_file():
        return path, None
    files = coco_files_in(path) or [coco_file_in(path)]
    fitting = [file for file in files if any(name in file.stem.lower() for name in PARTS.get(channel, ()))]
    if len(files) > 1 and len(fitting) != 1:
        names = ", ".join(file.name for file in files[:3])
        raise UserError(f"{path} holds {len(files)} COCO files ({names}): give the path of the one for {channel}.")
    return (fitting or files)[0], None


FORMAT = DatasetFormat(
    name="coco",
    place="FILE.json or its folder; images beside it or in images",
    labels=frozenset(("boxes",)),
    source=CocoSource,
    sink=CocoSink,
    suffixes=(".json",),
    kept=frozenset((ID, *(f"coco.{name}" for name in EXTRA))),
    keeps_difficult=True,
    channel=ChannelForm("a COCO data set", _recognize, _part, numbered_by_train=True),
)

"""COCO's object detection: one JSON file with images, annotations and categories."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vision.data.convert.format import Sink, Source, SourceOptions
from vision.data.convert.image_files import IMAGES, below_images_folder, find_image
from vision.data.convert.image_references import ReferenceWriter
from vision.data.convert.neutral import AnnotatedImage, AnnotatedObject, Plan, Task
from vision.data.convert.numbering import ID, Numbering
from vision.data.convert.object_boxes import ltwh_of_xyxy, xyxy_of_ltwh
from vision.data.convert.text_file import TextFile
from vision.data.left_out import LeftOut
from vision.data.readers.strict_json import parse_json
from vision.settings.errors import DataError

EXTRA = ("segmentation", "iscrowd", "attributes", "keypoints", "num_keypoints")
_OWN = ("id", "image_id", "category_id", "bbox", "area")


class CocoSource(Source):
    """``path`` is the JSON file, read as a whole. Classes are its categories in the order of their ids."""

    task: Task = "boxes"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        folder = path.parent
        self._roots = [options.root] if options.root else [folder / IMAGES, folder, folder.parent / IMAGES]
        self._images, annotations, categories = _read_lists(path)
        try:
            ordered = sorted(categories, key=lambda category: category["id"])
            self._class_of = {category["id"]: class_id for class_id, category in enumerate(ordered)}
            self.class_names = tuple(str(category["name"]) for category in ordered)
        except (KeyError, TypeError):
            raise DataError(str(path), "has a category without id or name") from None
        self._by_image: dict[Any, list[Any]] = defaultdict(list)
        self._lost: list[tuple[str, str]] = []
        known = {image.get("id") for image in self._images if isinstance(image, Mapping)}
        for number, annotation in enumerate(annotations):
            image_id = annotation.get("image_id") if isinstance(annotation, Mapping) else None
            if image_id in known:
                self._by_image[image_id].append(annotation)
            else:
                self._lost.append((f"{path.name} annotation {number}", f"belongs to no image (image_id {image_id!r})"))

    def __len__(self) -> int:
        return len(self._images)

    def images(self, left_out: LeftOut) -> Iterator[AnnotatedImage]:
        for name, reason in self._lost:
            left_out.add(name, reason)
        for number, image in enumerate(self._images):
            try:
                yield self._image(image, number, left_out)
            except DataError as error:
                left_out.add(error.key, error.reason)

    def _image(self, image: Any, number: int, left_out: LeftOut) -> AnnotatedImage:
        key = f"{self._path.name} image {number}"
        if not isinstance(image, Mapping) or not isinstance(image.get("id"), int):
            raise DataError(key, "is no object with a whole number as its id")
        name = image.get("file_name")
        key = f"{key} ({name})"
        path = find_image(name, self._roots, key)
        size_px = image.get("width"), image.get("height")
        if not all(isinstance(side, int) and side > 0 for side in size_px):
            raise DataError(key, f"has width and height {size_px}, which must be numbers of pixels")
        objects = []
        for annotation in self._by_image[image["id"]]:
            try:
                objects.append(self._object(annotation, key))
            except DataError as error:
                left_out.add(error.key, error.reason)
        width, height = size_px
        assert isinstance(name, str)
        assert width is not None
        assert height is not None
        return AnnotatedImage(name, key, path, None, tuple(objects), (width, height), {ID: image["id"]})

    def _object(self, annotation: Mapping[str, Any], key: str) -> AnnotatedObject:
        where = f"{key} annotation {annotation.get('id')}"
        bbox = annotation.get("bbox")
        if not (isinstance(bbox, list) and len(bbox) == 4 and all(_is_number(side) for side in bbox)):
            raise DataError(where, f"has bbox={bbox!r:.60}, which must be x, y, width, height in pixels")
        if annotation.get("category_id") not in self._class_of:
            raise DataError(where, f"has category_id={annotation.get('category_id')!r:.40}, which no category has")
        extra = {f"coco.{name}": value for name, value in annotation.items() if name not in _OWN}
        attributes = dict(extra.get("coco.attributes") or {})
        difficult = bool(attributes.pop("difficult", False))
        if "coco.attributes" in extra:
            del extra["coco.attributes"]
            extra |= {"coco.attributes": attributes} if attributes else {}
        if not extra.get("coco.iscrowd"):
            extra.pop("coco.iscrowd", None)
        if not extra.get("coco.segmentation"):
            extra.pop("coco.segmentation", None)
        return AnnotatedObject(self._class_of[annotation["category_id"]], xyxy_of_ltwh(*bbox), difficult, extra)


class CocoSink(Sink):
    """``output`` with the images beside it. Category ids count from 1; difficult is one of the ``attributes``."""

    TASKS = frozenset(("boxes",))
    HOLDS = frozenset((ID, *(f"coco.{name}" for name in EXTRA)))
    HOLDS_DIFFICULT = True

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
    attributes = {**kept.pop("attributes", {}), **({"difficult": True} if item.difficult else {})}
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": item.class_id + 1,
        "bbox": [x, y, width, height],
        "area": width * height,
        "iscrowd": 0,
        "segmentation": [],
        **kept,
        **({"attributes": attributes} if attributes else {}),
    }


def _read_lists(path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    try:
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise DataError(str(path), f"is {error}") from None
    lists = [
        document.get(name) if isinstance(document, dict) else None for name in ("images", "annotations", "categories")
    ]
    if not all(isinstance(found, list) for found in lists):
        raise DataError(str(path), "is no COCO file: it needs the lists images, annotations and categories")
    return lists[0] or [], lists[1] or [], lists[2] or []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


SOURCE, SINK = CocoSource, CocoSink

"""Label Studio: a JSON file of tasks with their annotations, and beside it the labeling configuration (XML)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

from vision.data.class_list import find_class_list
from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Box, Plan, stated_size
from vision.data.convert.dataset_folder import head, meant_file, only_file
from vision.data.convert.format import ChannelForm, DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.image_finder import ImageFinder
from vision.data.convert.label_forms import ARITHMETIC_PX, shortest
from vision.data.convert.output_files import ADDRESS, IMAGES, ReferenceWriter, TextFile
from vision.data.convert.safe_xml import read_xml
from vision.data.labels import Task
from vision.data.skipped import Skipped
from vision.files.atomic_file import write_whole
from vision.settings.errors import DataError, UserError
from vision.settings.strict_json import LARGEST_BYTES, read_json

BOXES, CHOICES = "rectanglelabels", "choices"
LOCAL_FILES, CONFIGURATION = "/data/local-files/?d=", "label_studio.xml"
# What Label Studio puts before the name of a file that was uploaded to it.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
_NAMES, _MAX_PERCENT = {BOXES: "label", CHOICES: "class"}, 1000


class LabelStudioSource(Source):
    """Reads an export ("JSON") at ``path``, or the only one in that folder, into memory.

    Classes follow classes.txt, else the configuration beside the file, else their sorted names. Of several annotations
    of a task the last that was not cancelled counts; what a model predicted does not.
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        path = only_file(path, ".json", _is_export, "Label Studio") if path.is_dir() else path
        self._path = path
        self._tasks = _read_tasks(path)
        read = [result for task in self._tasks for result in _results(task) or () if _kind(result)]
        kinds = set(map(_kind, read))
        if len(kinds) > 1:
            raise UserError(f"{path} holds boxes and choices: export one of the two.")
        if not kinds:
            raise UserError(f"{path} holds no annotation with {BOXES} or {CHOICES}.")
        self.task: Task = "boxes" if BOXES in kinds else "single"
        chosen = [_names_of(result) for result in read]
        if self.task == "single" and (any(len(names) != 1 for names in chosen) or _is_multiple(path)):
            self.task = "multi"
        self._finder = ImageFinder([options.root] if options.root else [path.parent, path.parent / IMAGES])
        names = options.class_names or find_class_list(options.classes, path.parent) or _configured(path)
        self.class_names = names or tuple(sorted({name for names in chosen for name in names}))
        self._ids = {name: class_id for class_id, name in enumerate(self.class_names)}

    def __len__(self) -> int:
        return len(self._tasks)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for number, task in enumerate(self._tasks):
            try:
                yield self._image(task, f"{self._path.name} task {number}", skipped)
            except DataError as error:
                skipped.add(error.key, error.reason)

    def _image(self, task: object, key: str, skipped: Skipped) -> AnnotatedImage:
        address = _address(task)
        if address is None:
            raise DataError(key, "has no data with the address of an image")
        name, path = self._find(address, key)
        key = f"{key} ({name})"
        results = _results(task)
        if results is None:
            raise DataError(key, "has no annotation: it was not labeled, or skipped")
        extra = {ADDRESS: address} if "://" in address else {}
        if self.task == "boxes":
            objects, size_px = self._objects(results, key, skipped)
            return AnnotatedImage(name, key, path, None, objects, size_px, extra)
        chosen = sorted({self._class_id(name, key) for result in results for name in _names_of(result)})
        if self.task == "single" and len(chosen) != 1:
            raise DataError(key, f"has {len(chosen)} choices, where other tasks have one")
        return AnnotatedImage(name, key, path, tuple(chosen), None, None, extra)

    def _objects(
        self, results: Sequence[Mapping[str, Any]], key: str, skipped: Skipped
    ) -> tuple[tuple[AnnotatedObject, ...], tuple[int, int] | None]:
        objects, size_px = [], None
        for place, result in enumerate(results):
            where = f"{key} result {place}"
            try:
                if _kind(result) != BOXES:
                    raise DataError(where, f"is of the type {result.get('type')!s:.40}: only {BOXES} are read")
                size_px = stated_size(result.get("original_width"), result.get("original_height"))
                if size_px is None:
                    raise DataError(where, "does not state original_width and original_height in pixels")
                box = _box(result["value"], size_px, where)
                names = _names_of(result)
                if len(names) != 1:
                    raise DataError(where, f"has {len(names)} labels, where a box has one")
                objects.append(AnnotatedObject(self._class_id(names[0], where), box))
            except DataError as error:
                skipped.add(error.key, error.reason)
        return tuple(objects), size_px

    def _class_id(self, name: str, where: str) -> int:
        if name not in self._ids:
            raise DataError(where, f"has the label {name!r:.60}, which is none of {', '.join(self._ids)[:200]}")
        return self._ids[name]

    def _find(self, address: str, key: str) -> tuple[str, Path]:
        try:
            place = _path_of(address)
        except ValueError as error:
            raise DataError(key, f"has the address {address!r:.100}, which is not a URL ({error})") from None
        try:
            return self._finder.find(place, key)
        except DataError:
            folder, _, base = place.rpartition("/")
            if not _UPLOADED.match(base):
                raise
            own = _UPLOADED.sub("", base)
            return self._finder.find(f"{folder}/{own}" if folder else own, key)


class LabelStudioSink(Sink):
    """Writes the tasks as ``output``, the configuration as the same name with .xml, and the images beside them.

    The tasks name images by Label Studio's local files: its document root is the folder of the file.
    """

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        self._plan, self._output = plan, output
        self._file = TextFile(output)
        self._references = ReferenceWriter(output.parent, images)
        self._written = 0

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        address = LOCAL_FILES + quote(self._references.place(image, encoded))
        labels = image.objects if image.objects is not None else image.class_ids or ()
        result = results_of(labels, size_px, self._plan.class_names)
        task = {"data": {"image": address}, "annotations": [{"result": result}]}
        self._file.write((",\n" if self._written else "[\n") + json.dumps(task))
        self._written += 1

    def close(self) -> None:
        self._references.check()
        self._file.write("\n]\n" if self._written else "[]\n")
        self._file.close()
        write_whole(self._output.with_suffix(".xml"), labeling_configuration(self._plan.task, self._plan.class_names))

    def discard(self) -> None:
        self._file.discard()


def results_of(
    labels: Sequence[AnnotatedObject | int], size_px: tuple[int, int], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the results of a task: one for each box, or one with all classes of the whole image."""
    common = {"to_name": "image", "original_width": size_px[0], "original_height": size_px[1], "image_rotation": 0}
    boxes = [label for label in labels if isinstance(label, AnnotatedObject)]
    if not boxes:
        chosen = [class_names[label] for label in labels if isinstance(label, int)]
        value: dict[str, Any] = {"choices": chosen}
        return [{"type": CHOICES, "from_name": _NAMES[CHOICES], **common, "value": value}] if chosen else []
    results = []
    for box in boxes:
        left, top, right, bottom = box.xyxy_px
        x, width = (100 * length / size_px[0] for length in (left, right - left))
        y, height = (100 * length / size_px[1] for length in (top, bottom - top))
        value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, BOXES: [class_names[box.class_id]]}
        results.append({"type": BOXES, "from_name": _NAMES[BOXES], **common, "value": value})
    return results


def labeling_configuration(task: Task, class_names: Sequence[str]) -> str:
    """Return the configuration of a project with these classes, to be pasted into its settings."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true")
    kind = BOXES if task == "boxes" else CHOICES
    tag, child = ("RectangleLabels", "Label") if task == "boxes" else ("Choices", "Choice")
    choice = {} if task == "boxes" else {"choice": "multiple" if task == "multi" else "single-radio"}
    labels = ElementTree.SubElement(view, tag, {"name": _NAMES[kind], "toName": "image", **choice})
    for name in class_names:
        ElementTree.SubElement(labels, child, value=name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _read_tasks(path: Path) -> list[Any]:
    try:
        tasks = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}).") from None
    if not isinstance(tasks, list):
        raise UserError(f"{path} is no list of tasks: choose JSON when you export from Label Studio.")
    return tasks


def _address(task: object) -> str | None:
    """Return the address of a task's image: of its data the one of that name, or the first text."""
    data = task.get("data") if isinstance(task, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    found = [data["image"]] if "image" in data else list(data.values())
    return next((value for value in found if isinstance(value, str) and value), None)


def _path_of(address: str) -> str:
    """Return the path that an address names: ``?d=`` of local files, or that of a URL. Raises ValueError."""
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path if parts.scheme else address).lstrip("/")


def _results(task: object) -> list[Mapping[str, Any]] | None:
    """Return the labels of the last annotation that counts, also shapes that are not read; None if there is none."""
    annotations = task.get("annotations") if isinstance(task, Mapping) else None
    for annotation in reversed(annotations if isinstance(annotations, list) else []):
        if isinstance(annotation, Mapping) and not annotation.get("was_cancelled"):
            results = annotation.get("result")
            if isinstance(results, list):
                return [result for result in results if isinstance(result, Mapping) and _is_label(result)]
    return None


def _is_label(result: Mapping[str, Any]) -> bool:
    """Return whether a result is a class or a shape: rectanglelabels, polygonlabels, brushlabels and their like."""
    kind = str(result.get("type"))
    return isinstance(result.get("value"), Mapping) and (kind == CHOICES or kind.endswith("labels"))


def _kind(result: Mapping[str, Any]) -> str | None:
    return str(result.get("type")) if _is_label(result) and result.get("type") in (BOXES, CHOICES) else None


def _names_of(result: Mapping[str, Any]) -> tuple[str, ...]:
    names = result["value"].get(_kind(result))
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _box(value: Mapping[str, Any], size_px: tuple[int, int], where: str) -> Box:
    """Return the corners in pixels of a box in percent of the image. Raises DataError."""
    numbers = [value.get(name) for name in ("x", "y", "width", "height")]
    if not all(isinstance(n, int | float) and abs(n) <= _MAX_PERCENT for n in numbers):
        raise DataError(where, f"has x, y, width, height of {numbers!s:.80}, which must be percent of the image")
    if value.get("rotation"):
        raise DataError(where, f"is turned by {value['rotation']!s:.20} degrees: only upright boxes are read")
    x, y, width, height = (float(number) for number in numbers if isinstance(number, int | float))
    left, right = (shortest(percent * size_px[0] / 100, ARITHMETIC_PX) for percent in (x, x + width))
    top, bottom = (shortest(percent * size_px[1] / 100, ARITHMETIC_PX) for percent in (y, y + height))
    return left, top, right, bottom


def _configuration(path: Path) -> ElementTree.Element | None:
    """Return the configuration that has the name of the file of tasks, else that of ``vision label``."""
    beside = (path.with_suffix(".xml"), path.with_name(CONFIGURATION))
    return next((read_xml(file, file.name, "View") for file in beside if file.is_file()), None)


def _configured(path: Path) -> tuple[str, ...] | None:
    """Return the classes of the configuration beside a file of tasks, in its order."""
    root = _configuration(path)
    tags = () if root is None else (*root.iter("Label"), *root.iter("Choice"))
    return tuple(dict.fromkeys(tag.get("value", "") for tag in tags)) or None


def _is_multiple(path: Path) -> bool:
    root = _configuration(path)
    return root is not None and any(tag.get("choice") == "multiple" for tag in root.iter("Choices"))


def _is_export(path: Path) -> bool:
    if not head(path).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return False
    # The first task alone may be longer than the beginning of a file.
    whole = head(path, LARGEST_BYTES)
    return b'"annotations"' in whole and b'"data"' in whole


FORMAT = DatasetFormat(
    name="labelstudio",
    place="FILE.json of Label Studio; images and the configuration, FILE.xml, beside it",
    labels=frozenset(("single", "multi", "boxes")),
    source=LabelStudioSource,
    sink=LabelStudioSink,
    suffixes=(".json",),
    channel=ChannelForm(
        "an export of Label Studio", partial(meant_file, suffix=".json", is_meant=_is_export), numbered_by_train=True
    ),
)

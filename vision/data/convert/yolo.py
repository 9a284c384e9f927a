"""YOLO: images and text files with a line ``class cx cy w h`` for each object, in fractions of the image."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Plan
from vision.data.convert.dataset_folder import part_for
from vision.data.convert.format import ChannelForm, DatasetFormat, Sink, Source, SourceOptions
from vision.data.convert.label_forms import ARITHMETIC_PX, shortest
from vision.data.convert.output_files import ImagePlacer, below_images_folder, write_beside
from vision.data.convert.yolo_files import IMAGES, LABELS, YoloLayout, image_folders, plain_name, recognize_yolo
from vision.data.labels import Task
from vision.data.readers.file_table import file_size_px
from vision.data.skipped import Skipped
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.settings.errors import DataError, UserError
from vision.settings.regular_file import open_regular_text

# Numbers of a line that is a box.
LINE_WORDS = 5
MAX_LABEL_BYTES = 16 << 20


class YoloSource(Source):
    """Reads ``images`` and ``labels`` of ``path`` or of its parts, or images with their label files beside them.

    An image without a label file has no objects, as YOLO reads it. A polygon counts as the box around it.
    """

    task: Task = "boxes"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._layout = YoloLayout(path, options)
        self.class_names = self._layout.class_names

    def __len__(self) -> int:
        return len(self._layout.images)

    def images(self, skipped: Skipped) -> Iterator[AnnotatedImage]:
        for file in self._layout.orphans():
            skipped.add(file, f"has no image below {self._layout.images_root}")
        if self.class_names is None:
            skipped.note(str(self._layout.images_root), "names no class, so they go by number: give classes=FILE")
        owners: dict[str, str] = {}
        for image in self._layout.images:
            name, label = plain_name(image), self._layout.label_of(image)
            try:
                if label is None:
                    skipped.note(name, "has no label file: it counts as an image without objects")
                elif owners.setdefault(label, name) != name:
                    raise DataError(name, f"has the label file {label} of {owners[label]}: rename one of the two")
                path = self._layout.images_root / image
                size_px = file_size_px(path, name)
                objects = tuple(self._objects(label, size_px, skipped)) if label else ()
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            yield AnnotatedImage(name, f"{label} ({name})" if label else name, path, None, objects, size_px)

    def _objects(self, label: str, size_px: tuple[int, int], skipped: Skipped) -> Iterator[AnnotatedObject]:
        try:
            with open_regular_text(self._layout.labels_root / label) as file:
                lines = file.read(MAX_LABEL_BYTES).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(label, f"cannot be read as text ({error})") from None
        for number, line in enumerate(lines, 1):
            if line.strip():
                key = f"{label} line {number}"
                try:
                    yield parse_object(line, size_px)
                except ValueError as problem:
                    skipped.add(key, str(problem))
                    continue
                if len(line.split()) > LINE_WORDS:
                    skipped.note(key, "is a polygon: the box around it is used")


class YoloSink(Sink):
    """Writes ``output``/images, ``output``/labels and a data.yaml with the class names."""

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        if images == "keep":
            raise UserError("images=keep does not go with to=yolo, which has a folder of images: use images=link.")
        self._placer = ImagePlacer(output / IMAGES, images, walked=True)
        self._labels = output / LABELS
        make_folder(self._labels)
        self._stems: set[str] = set()
        self._output, self._class_names = output, plan.class_names

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        assert image.objects is not None
        name = below_images_folder(image.name)
        stem = os.path.splitext(name)[0]
        if stem in self._stems:
            raise DataError(image.key, f"{stem}.txt belongs to an earlier image already; rename the image")
        self._stems.add(stem)
        self._placer.place(name, image, encoded)
        lines = "".join(object_line(item, size_px) for item in image.objects)
        write_beside(self._labels, f"{stem}.txt", lines, image)

    def close(self) -> None:
        self._placer.check()
        # JSON texts are YAML.
        names = "".join(f"  {class_id}: {json.dumps(name)}\n" for class_id, name in enumerate(self._class_names))
        write_whole(self._output / "data.yaml", f"path: .\ntrain: images\nval: images\nnames:\n{names}")


def parse_object(line: str, size_px: tuple[int, int]) -> AnnotatedObject:
    """Return the object of one line, a box or a polygon ``class x1 y1 x2 y2 x3 y3 ...``.

    Raises ValueError with the rest of a sentence.
    """
    words = line.split()
    if len(words) > LINE_WORDS + 1 and len(words) % 2:
        words = _around(words)
    if len(words) != LINE_WORDS:
        raise ValueError(f"has {len(words)} numbers: write class cx cy w h, or class and the corners of a polygon")
    try:
        class_id, cx, cy, width, height = (float(word) for word in words)
    except ValueError:
        raise ValueError(f"is {line.strip()!r:.60}, which must be five numbers") from None
    if class_id < 0 or not class_id.is_integer():
        raise ValueError(f"has the class {words[0]}, which must be a whole number from 0")
    if not all(abs(value) <= 2 for value in (cx, cy, width, height)):
        raise ValueError(f"is {line.strip()!r:.60}, but cx cy w h must be fractions of the image from 0 to 1")
    decimals = max(len(word.partition(".")[2]) if "e" not in word.lower() else 16 for word in words[1:])
    corners = []
    for middle, side, size in ((cx, width, size_px[0]), (cy, height, size_px[1])):
        # Middle and half the side are each known to half of their last decimal.
        tolerance = max(0.75 * 10.0**-decimals * size, ARITHMETIC_PX)
        corners.append([shortest((middle + sign * side / 2) * size, tolerance) for sign in (-1, 1)])
    (left, right), (top, bottom) = corners
    return AnnotatedObject(int(class_id), (left, top, right, bottom))


def _around(words: list[str]) -> list[str]:
    """Return class, center and sides of the box around a polygon, as words again."""
    try:
        xs, ys = ([Decimal(word) for word in words[start::2]] for start in (1, 2))
    except InvalidOperation:
        raise ValueError(f"is {' '.join(words)!r:.60}, which must be a class and numbers") from None
    if not all(number.is_finite() for number in (*xs, *ys)):
        raise ValueError(f"is {' '.join(words)!r:.60}, which must be a class and finite numbers")
    ends = [(min(numbers), max(numbers)) for numbers in (xs, ys)]
    middles = [str((low + high) / 2) for low, high in ends]
    return [words[0], *middles, *(str(high - low) for low, high in ends)]


def object_line(item: AnnotatedObject, size_px: tuple[int, int]) -> str:
    """Return one line with enough digits to restore the same pixels."""
    left, top, right, bottom = item.xyxy_px
    width, height = size_px
    numbers = ((left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height)
    return f"{item.class_id} {' '.join(f'{value:.16f}' for value in numbers)}\n"


def _part(path: Path, channel: str, is_shared: bool) -> tuple[Path, str | None]:
    return path, part_for(channel, image_folders(path)) if path.is_dir() else None


FORMAT = DatasetFormat(
    name="yolo",
    place="folder with images and labels, or with both side by side",
    labels=frozenset(("boxes",)),
    source=YoloSource,
    sink=YoloSink,
    channel=ChannelForm("a YOLO data set", recognize_yolo, _part),
)

"""YOLO: a folder of images and one of text files, a line ``class cx cy w h`` an object, as fractions of the image."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from vision.data.class_list import find_class_list
from vision.data.convert.decimals import ARITHMETIC_PX, shortest
from vision.data.convert.format import Sink, Source, SourceOptions
from vision.data.convert.image_files import IMAGES, ImagePlacer, below_images_folder, read_image
from vision.data.convert.neutral import AnnotatedImage, AnnotatedObject, Plan, Task
from vision.data.image_codec import image_size
from vision.data.left_out import LeftOut
from vision.data.readers.file_table import is_image_name, walk_files
from vision.settings.errors import DataError, UserError

LABELS = "labels"
_MAX_LABEL_BYTES = 16 << 20


class YoloSource(Source):
    """``path`` holds ``images`` and ``labels``. An image without a label file has no objects, as YOLO reads it."""

    task: Task = "boxes"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._root = options.root or path / IMAGES
        self._labels = path / LABELS
        if not self._root.is_dir() or not self._labels.is_dir():
            raise UserError(f"{path} needs the folders images and labels (root=FOLDER where the images lie elsewhere).")
        self._names = [name for name in walk_files(self._root) if is_image_name(name)]
        if not self._names:
            raise UserError(f"{self._root} holds no images.")
        self.class_names = find_class_list(options.classes, path)

    def __len__(self) -> int:
        return len(self._names)

    def images(self, left_out: LeftOut) -> Iterator[AnnotatedImage]:
        stems = {os.path.splitext(name)[0] for name in self._names}
        for file in walk_files(self._labels):
            if file.endswith(".txt") and file[:-4] not in stems:
                left_out.add(f"labels/{file}", f"has no image below {self._root}")
        for name in self._names:
            label = f"{os.path.splitext(name)[0]}.txt"
            try:
                path = self._root / name
                size_px = image_size(read_image(path, name), name)
                objects = tuple(self._objects(label, size_px, left_out))
            except DataError as error:
                left_out.add(error.key, error.reason)
                continue
            yield AnnotatedImage(name, f"labels/{label} ({name})", path, None, objects, size_px)

    def _objects(self, label: str, size_px: tuple[int, int], left_out: LeftOut) -> Iterator[AnnotatedObject]:
        path = self._labels / label
        if not path.is_file():
            return
        try:
            with path.open(encoding="utf-8-sig") as file:
                lines = file.read(_MAX_LABEL_BYTES).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"labels/{label}", f"cannot be read as text ({error})") from None
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield parse_object(line, size_px)
                except ValueError as problem:
                    left_out.add(f"labels/{label} line {number}", str(problem))


class YoloSink(Sink):
    """``output``/images, ``output``/labels and a data.yaml that names the classes to training tools."""

    TASKS = frozenset(("boxes",))

    def __init__(self, output: Path, plan: Plan, images: str) -> None:
        if images == "keep":
            raise UserError("images=keep does not go with to=yolo, which has a folder of images: use images=link.")
        self._placer = ImagePlacer(output / IMAGES, images)
        self._labels = output / LABELS
        self._labels.mkdir(parents=True, exist_ok=True)
        self._stems: set[str] = set()
        # JSON texts are YAML.
        names = "".join(f"  {class_id}: {json.dumps(name)}\n" for class_id, name in enumerate(plan.class_names))
        (output / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\nnames:\n{names}", encoding="utf-8")

    def write(self, image: AnnotatedImage, encoded: bytes | memoryview, size_px: tuple[int, int]) -> None:
        assert image.objects is not None
        name = below_images_folder(image.name)
        stem = os.path.splitext(name)[0]
        if stem in self._stems:
            raise DataError(image.key, f"{stem}.txt belongs to an earlier image already; rename the image")
        self._stems.add(stem)
        self._placer.place(name, image, encoded)
        path = self._labels / f"{stem}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(object_line(item, size_px) for item in image.objects), encoding="ascii")

    def close(self) -> None:
        """Every file is complete already."""


def parse_object(line: str, size_px: tuple[int, int]) -> AnnotatedObject:
    """One line's object. ValueError holds half a sentence."""
    words = line.split()
    if len(words) != 5:
        what = "polygons are not boxes" if len(words) > 6 else "five are needed"
        raise ValueError(f"has {len(words)} numbers ({what}): write class cx cy w h")
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


def object_line(item: AnnotatedObject, size_px: tuple[int, int]) -> str:
    """One line with all the digits that are needed to give the same pixels again."""
    left, top, right, bottom = item.xyxy_px
    width, height = size_px
    numbers = ((left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height)
    return f"{item.class_id} {' '.join(f'{value:.16f}' for value in numbers)}\n"


SOURCE, SINK = YoloSource, YoloSink

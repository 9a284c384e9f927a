"""Convert a data set from any format to any other, image by image."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from vision.data.class_list import check_class_list, write_class_list
from vision.data.convert.annotated_image import AnnotatedImage, fitted
from vision.data.convert.format import DatasetFormat, Sink, Source
from vision.data.convert.formats import FORMATS
from vision.data.convert.image_finder import read_image
from vision.data.convert.survey import cannot_hold, doubts, survey
from vision.data.image_codec import check_image
from vision.data.labels import TASK_NAMES
from vision.data.skipped import Skipped
from vision.settings.counted import counted
from vision.settings.errors import DataError, UserError

Result = TypeVar("Result")
# What a message counts as left out.
SKIPPED_NOUN = "record"
# Key of ``extra`` of boxes around crowds, which no format may take for single objects.
IS_CROWD = "coco.iscrowd"
# Images read ahead at a time.
_AHEAD = 16


@dataclass(frozen=True)
class Converted:
    """The numbers of images and boxes written, and what was left out.

    ``objects`` is None where labels are not boxes. ``notes`` are sentences on what the format cannot hold or looks
    wrong.
    """

    images: int
    objects: int | None
    class_names: tuple[str, ...]
    skipped: Skipped
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Return the counts as a phrase for the terminal."""
        boxes = "" if self.objects is None else f", {counted(self.objects, 'box')}"
        return f"{counted(self.images, 'image')}{boxes}, {counted(len(self.class_names), 'class')}"


class Loaded(NamedTuple):
    """An image with its encoded bytes and their (width, height), or the problem that it has."""

    image: AnnotatedImage
    encoded: bytes | memoryview
    size_px: tuple[int, int]
    problem: DataError | None


def convert(
    source: Source, target: str, output: Path, images: str, workers: int, advance: Callable[[int], None]
) -> Converted:
    """Write every image of ``source`` in the format named ``target``; call ``advance`` with the images done."""
    form = FORMATS[target]
    if source.task not in form.labels:
        raise UserError(
            f"The input holds {TASK_NAMES[source.task]}, but to={target} holds "
            f"{' or '.join(TASK_NAMES[task] for task in sorted(form.labels))}: choose another format."
        )
    check_output(form, output)
    source = single_objects(source, form)
    found = survey(source)
    names_folder = class_list_folder(form, output)
    check_class_list(names_folder, found.plan.class_names)
    skipped, written, objects = Skipped(), 0, 0
    sink = form.create_sink(output, found.plan, images)
    try:
        for loaded in load_all(source.images(skipped), workers):
            advance(1)
            try:
                write_one(sink, loaded, skipped)
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            written, objects = written + 1, objects + len(loaded.image.objects or ())
        check_written(written, source, skipped)
        sink.close()
        write_class_list(names_folder, found.plan.class_names)
    except BaseException:
        sink.discard()
        raise
    notes = (*source.remarks, *skipped.notes, *cannot_hold(found, form, images == "keep"), *doubts(found))
    return Converted(written, objects if source.task == "boxes" else None, found.plan.class_names, skipped, notes)


def check_written(count: int, source: Source, skipped: Skipped) -> None:
    """Raise UserError if no image of ``source`` was written."""
    if not count:
        first = f"; first: {skipped.sentences[0]}" if skipped.sentences else ""
        raise UserError(f"None of {counted(len(source), 'image')} could be written{first}")


def write_one(sink: Sink, loaded: Loaded, skipped: Skipped) -> None:
    """Write one image. Raises DataError if it is broken or the format cannot hold it."""
    if loaded.problem is not None:
        raise loaded.problem
    sink.write(fitted(loaded.image, loaded.size_px, skipped), loaded.encoded, loaded.size_px)


def load_all(images: Iterable[AnnotatedImage], workers: int) -> Iterator[Loaded]:
    """Yield the images with their bytes in order, read ahead by threads."""
    return read_ahead(_load, images, workers)


def read_ahead(
    function: Callable[[AnnotatedImage], Result], images: Iterable[AnnotatedImage], workers: int
) -> Iterator[Result]:
    """Yield ``function`` of each image in order, computed ahead by threads."""
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        pending: deque[Future[Result]] = deque()
        for image in images:
            pending.append(pool.submit(function, image))
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _load(image: AnnotatedImage) -> Loaded:
    try:
        encoded = read_image(image.image, image.key)
        header, _ = check_image(bytes(encoded), image.key)
        return Loaded(image, encoded, header.upright_size, None)
    except DataError as error:
        return Loaded(image, b"", (0, 0), error)


def class_list_folder(target: DatasetFormat, output: Path) -> Path:
    """Return the folder of classes.txt: the data set itself, or the folder of one that is a file."""
    return output.parent if target.suffixes else output


def check_output(target: DatasetFormat, output: Path) -> None:
    """Raise UserError where ``output`` is of the wrong kind or holds something already."""
    suffix = output.suffix.lower()
    if target.suffixes and suffix not in target.suffixes:
        endings = " or ".join(target.suffixes)
        way = (
            f"give one in it, such as {output / 'data'}{target.suffixes[0]}"
            if output.is_dir()
            else f"end it in {endings}"
        )
        raise UserError(f"Setting output is {str(output)!r}, but to={target.name} writes a file: {way}.")
    if not target.suffixes and any(suffix in other.suffixes for other in FORMATS.values()):
        raise UserError(f"Setting output is {str(output)!r}, but to={target.name} writes a {target.place}.")
    if output.exists() if target.suffixes else output.is_dir() and any(output.iterdir()):
        raise UserError(f"{output} exists already: give another output, or remove it first.")


class WithoutCrowds(Source):
    """A source without the boxes around crowds, which it counts in a note."""

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
            skipped.note(image.key, "has boxes around crowds (iscrowd), which are not single objects: left out")
            yield replace(image, objects=objects)


def single_objects(source: Source, target: DatasetFormat) -> Source:
    """Return ``source`` without boxes around crowds, unless ``target`` can mark them as crowds."""
    return source if IS_CROWD in target.kept or source.task != "boxes" else WithoutCrowds(source)

"""Split a data set into parts, each in the data set's own format."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.data.class_list import check_class_list, write_class_list
from vision.data.convert.annotated_image import AnnotatedImage
from vision.data.convert.conversion import (
    check_output,
    check_written,
    class_list_folder,
    load_all,
    read_ahead,
    single_objects,
    write_one,
)
from vision.data.convert.format import Sink, Source
from vision.data.convert.formats import FORMATS
from vision.data.convert.image_finder import read_image
from vision.data.convert.survey import cannot_hold, image_classes, survey
from vision.data.image_codec import decode_rgb, prepare_threads
from vision.data.inspect.look_alikes import (
    Fingerprint,
    fingerprint,
    groups_of,
    joined,
)
from vision.data.skipped import Skipped
from vision.data.stratification import assign_parts
from vision.settings.errors import DataError, UserError

_CHAINS = (
    "{} images look like their neighbours in chains too long to stay in one part, as the frames of a film do: only "
    "exact copies among them do; group=PATTERN keeps what belongs together"
)


@dataclass(frozen=True)
class SplitOptions:
    """How to split: ``shares`` by name of part. Images whose names match ``group`` with the same text stay together.

    ``keep_copies`` says that copies and near copies of an image, as an inspection finds them, stay in one part.
    """

    shares: Mapping[str, float]
    seed: int = 0
    group: re.Pattern[str] | None = None
    stratify: bool = True
    keep_copies: bool = True


@dataclass(frozen=True)
class Parts:
    """Images written to each part, and of each class in it; what was left out; what the format cannot hold."""

    images: dict[str, int]
    classes: dict[str, dict[str, int]]
    skipped: Skipped
    notes: tuple[str, ...]


def split(
    source: Source,
    format_name: str,
    output: Path,
    options: SplitOptions,
    images: str,
    workers: int,
    advance: Callable[[int], None],
) -> Parts:
    """Write each part of ``source`` below ``output``; call ``advance`` with the images done."""
    form = FORMATS[format_name]
    suffix = form.suffixes[0] if form.suffixes else ""
    paths = {name: output / f"{name}{suffix}" for name in options.shares}
    for path in paths.values():
        check_output(form, path)
    source = single_objects(source, form)
    found = survey(source)
    folders = {class_list_folder(form, path) for path in paths.values()}
    for folder in folders:
        check_class_list(folder, found.plan.class_names)
    listed = list(map(_classes_and_group(options), source.images(Skipped())))
    groups = _by_text([group for _, group in listed]) if options.group else np.arange(len(listed))
    apart = 0
    if options.keep_copies:
        alike, apart = _look_alikes(source, len(listed), workers, advance)
        groups = joined([*_members(groups), *_members(alike)], len(listed))
    part_of = assign_parts(
        [dict.fromkeys(classes, 1.0) for classes, _ in listed],
        list(options.shares.values()),
        options.seed,
        groups,
        options.stratify,
    )
    names = list(options.shares)
    counts = {name: 0 for name in names}
    classes: dict[str, dict[str, int]] = {name: dict.fromkeys(found.plan.class_names, 0) for name in names}
    skipped = Skipped()
    sinks: dict[str, Sink] = {}
    try:
        for name, path in paths.items():
            sinks[name] = form.create_sink(path, found.plan, images)
        for number, loaded in enumerate(load_all(source.images(skipped), workers)):
            advance(1)
            name = names[part_of[number]]
            try:
                write_one(sinks[name], loaded, skipped)
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            counts[name] += 1
            for class_id in image_classes(loaded.image):
                classes[name][found.plan.class_names[class_id]] += 1
        check_written(sum(counts.values()), source, skipped)
        for sink in sinks.values():
            sink.close()
        for folder in folders:
            write_class_list(folder, found.plan.class_names)
    except BaseException:
        for sink in sinks.values():
            sink.discard()
        raise
    chains = (_CHAINS.format(apart),) if apart else ()
    lost = cannot_hold(found, form, images == "keep")
    return Parts(counts, classes, skipped, (*source.remarks, *skipped.notes, *chains, *lost))


def _look_alikes(source: Source, count: int, workers: int, advance: Callable[[int], None]) -> tuple[np.ndarray, int]:
    """Return the group number of each image, int64 [N], and the count of images in chains too long to keep together."""
    prepare_threads()

    def fingerprints() -> Iterator[Fingerprint | None]:
        for found in read_ahead(_fingerprint, source.images(Skipped()), workers):
            advance(1)
            yield found

    return groups_of(fingerprints(), count)


def _fingerprint(image: AnnotatedImage) -> Fingerprint | None:
    """Return an image's fingerprint; None if it is broken, which the writing reports."""
    try:
        encoded = read_image(image.image, image.key)
        return fingerprint(encoded, decode_rgb(encoded, image.key))
    except DataError:
        return None


def _by_text(texts: list[str]) -> np.ndarray:
    """Return numbers int64 [N], equal for equal texts."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(text, place) for place, text in enumerate(texts)], np.int64)


def _members(group_of: np.ndarray) -> list[list[int]]:
    """Return the places of each group of at least two."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(group_of.tolist()):
        places[group].append(place)
    return [group for group in places.values() if len(group) > 1]


def _classes_and_group(options: SplitOptions) -> Callable[[AnnotatedImage], tuple[tuple[int, ...], str]]:
    def look(image: AnnotatedImage) -> tuple[tuple[int, ...], str]:
        if options.group is None:
            return image_classes(image), ""
        match = options.group.search(image.name)
        if match is None:
            raise UserError(
                f"Setting group is {options.group.pattern!r}, which does not occur in the name {image.name!r}: give a "
                "pattern that is in every image's name."
            )
        return image_classes(image), match.group(1 if match.re.groups else 0) or ""

    return look

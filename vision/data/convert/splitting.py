"""Writes the parts of a data set in the format it came in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vision.data.class_list import check_class_list, write_class_list
from vision.data.convert.conversion import check_output, class_list_folder, load_all, write_one
from vision.data.convert.crowds import single_objects
from vision.data.convert.format import Sink, Source
from vision.data.convert.formats import SUFFIXES, sink_type
from vision.data.convert.neutral import AnnotatedImage
from vision.data.convert.survey import cannot_hold, image_classes, survey
from vision.data.left_out import LeftOut
from vision.data.split import assign_parts
from vision.settings.errors import DataError, UserError


@dataclass(frozen=True)
class SplitOptions:
    """``shares`` by the names of parts. ``group`` is a pattern in image names: what it matches stays together."""

    shares: Mapping[str, float]
    seed: int = 0
    group: re.Pattern[str] | None = None
    stratify: bool = True


@dataclass(frozen=True)
class Parts:
    """Images written to each part, and of each class in it; what was left out; what the format could not hold."""

    images: dict[str, int]
    classes: dict[str, dict[str, int]]
    left_out: LeftOut
    notes: tuple[str, ...]


def split(
    source: Source,
    form: str,
    output: Path,
    options: SplitOptions,
    images: str,
    workers: int,
    advance: Callable[[int], None],
) -> Parts:
    """Write each part of ``source`` below ``output``; ``advance`` is told the images done."""
    kind = sink_type(form)
    suffix = SUFFIXES.get(form, ("",))[0]
    paths = {name: output / f"{name}{suffix}" for name in options.shares}
    for path in paths.values():
        check_output(form, path)
    source = single_objects(source, kind)
    found = survey(source)
    folders = {class_list_folder(form, path) for path in paths.values()}
    for folder in folders:
        check_class_list(folder, found.plan.class_names)
    listed = list(map(_classes_and_group(options), source.images(LeftOut())))
    groups = [group for _, group in listed] if options.group else None
    part_of = assign_parts(
        [classes for classes, _ in listed], list(options.shares.values()), options.seed, groups, options.stratify
    )
    names = list(options.shares)
    counts = {name: 0 for name in names}
    classes: dict[str, dict[str, int]] = {name: dict.fromkeys(found.plan.class_names, 0) for name in names}
    left_out = LeftOut()
    sinks: dict[str, Sink] = {}
    try:
        for name, path in paths.items():
            sinks[name] = kind(path, found.plan, images)
        for number, loaded in enumerate(load_all(source.images(left_out), workers)):
            advance(1)
            name = names[part_of[number]]
            try:
                write_one(sinks[name], loaded)
            except DataError as error:
                left_out.add(error.key, error.reason)
                continue
            counts[name] += 1
            for class_id in image_classes(loaded.image):
                classes[name][found.plan.class_names[class_id]] += 1
        for sink in sinks.values():
            sink.close()
        for folder in folders:
            write_class_list(folder, found.plan.class_names)
    except BaseException:
        for sink in sinks.values():
            sink.discard()
        raise
    return Parts(counts, classes, left_out, (*left_out.notes, *cannot_hold(found, kind, form, images == "keep")))


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

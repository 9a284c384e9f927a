"""``vision convert``: convert a data set from one format to another."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from vision.cli.assignments import fill_places, read_assignments
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.nearest import did_you_mean, shown
from vision.settings.table import SettingsTable

if TYPE_CHECKING:
    from vision.data.convert.format import Source
    from vision.data.skipped import Skipped

SOME_SKIPPED = 1
HELP = """\
Usage: vision convert INPUT OUTPUT to=FORMAT [from=FORMAT] [name=value ...]

Formats, and what input and output are (from= may be left out where the data show it):
{formats}

  images        copy (default) writes the images beside the output, link makes hard links, keep leaves them in place
  root          folder of the input's images, where it is not beside the labels
  classes       file with the class names in the order of their ids (default: what the data or a classes.txt, data.yaml
                or obj.names beside them say)
  attributes    manifest: the image's key and the label's key, such as source-ref,bounding-box
  label_format  manifest: class-id or multi-hot, for lists of classes (default: by the metadata)
  split         voc: a list of ImageSets/Main, such as train; masks: one of ImageSets/Segmentation; yolo: a folder of
                images, such as val
  colors        masks: a file with a line name,r,g,b for each class, where colors and not values are the classes
  box_polygons  labelme: true takes the box around each polygon, circle and mask too, which are otherwise left out
  one_based     voc: true if pixels count from 1, as in the PASCAL challenges; then 1 is subtracted
  workers       readers of image files (default: one for each processor)

To masks, from=coco, labelme, manifest or yolo reads the masks in such data. Writes classes.txt into OUTPUT, or beside
it if that is a file. Boxes keep their exact pixels. Reports what the output's format cannot hold. What cannot be
converted is left out and listed in OUTPUT.left-out.txt.

Exit status: 0 all converted, 1 something left out, 2 nothing done.

Example: vision convert VOC2012 data/train.rec to=recordio split=train"""


class SourceSettings(SettingsTable):
    """Settings for reading a data set."""

    root: str | None = Field(None, description="folder of the images")
    classes: str | None = Field(None, description="file with the class names")
    attributes: str | None = Field(None, description="keys of image and label of a manifest")
    label_format: Literal["multi-hot", "class-id"] | None = Field(None, description="lists of classes in a manifest")
    split: str | None = Field(None, description="list of VOC images, or folder of YOLO images")
    colors: str | None = Field(None, description="file with the colors of the classes in masks")
    box_polygons: bool = Field(False, description="whether LabelMe's polygons count by the box around each")
    one_based: bool = Field(False, description="whether VOC's pixels count from 1")
    workers: int = Field(0, ge=0, le=256, description="readers of image files")


class ConvertSettings(SourceSettings):
    """Settings of ``vision convert``."""

    images: Literal["copy", "link", "keep"] = Field("copy", description="what becomes of the image files")


def run(argv: Sequence[str]) -> int:
    """Convert one data set. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP.format(formats=format_rows()))
        return 0
    places = ("from", "to", "input", "output")
    words = read_assignments(argv, (*places, *ConvertSettings.model_fields), sections=(), allow_files=True)
    given = fill_places(words, ("input", "output"))
    guess_format(given.names, "from")
    check_places(given.names, places)
    given.names["from"] = fitting_format(given.names["from"], given.names["to"])
    settings = ConvertSettings.parse({name: value for name, value in given.names.items() if name not in places})

    from vision.data.convert.conversion import convert
    from vision.progress_bar import progress_bar
    from vision.settings.device import usable_cores

    output = local_path(given.names["output"])
    source = source_of(given.names["from"], given.names["input"], settings)
    with progress_bar("converting", len(source)) as advance:
        done = convert(source, given.names["to"], output, settings.images, settings.workers or usable_cores(), advance)
    print(f"{output}: {done.summary()}")
    for note in done.notes:
        print(f"vision: {note}", file=sys.stderr)
    return report_skipped(done.skipped, output)


def format_rows() -> str:
    """Return the formats in lines for the help."""
    from vision.data.convert.formats import FORMATS

    return "\n".join(f"  {name:<16}{form.place}" for name, form in FORMATS.items())


def guess_format(names: dict[str, str], setting: str) -> None:
    """Set the format of the input where the user has left it out and the data show it."""
    if "input" in names and not names.get(setting):
        from vision.data.readers.channel_contents import dataset_format

        found = dataset_format(local_path(names["input"]))
        if found is not None:
            names[setting] = found


def fitting_format(origin: str, target: str) -> str:
    """Return the name of the format to read: where masks are to be written, coco and its like mean their masks."""
    from vision.data.convert.formats import FORMATS

    has_no_common = FORMATS[origin].labels.isdisjoint(FORMATS[target].labels)
    return f"{origin}_masks" if has_no_common and f"{origin}_masks" in FORMATS else origin


def check_places(names: dict[str, str], places: Sequence[str]) -> None:
    """Raise SettingsError where a place is missing, a format is unknown or the input does not exist."""
    from vision.data.convert.formats import FORMATS

    missing = [name for name in places if not names.get(name)]
    formats = [name for name in ("from", "to", "format") if name in missing]
    problems = [f"Setting {name} is required but missing: give {name}=PATH." for name in missing if name not in formats]
    problems += [
        f"Setting {name} is required but missing: give {name}=FORMAT, one of {', '.join(FORMATS)}." for name in formats
    ]
    for name in {"from", "to", "format"}.intersection(places, names):
        if names[name] and names[name] not in FORMATS:
            problems.append(
                f"Setting {name} is {shown(names[name])}, an unknown format: {did_you_mean(names[name], FORMATS)}"
            )
    path = names.get("input")
    if path and not os.path.exists(local_path(path)):
        problems.append(f"Setting input is {shown(path)}, which does not exist: give the path of a data set.")
    if problems:
        raise SettingsError(problems)


def source_of(name: str, path: str, settings: SourceSettings) -> Source:
    """Open the data set at ``path``."""
    from vision.data.convert.format import SourceOptions
    from vision.data.convert.formats import FORMATS

    attributes = tuple(key.strip() for key in settings.attributes.split(",")) if settings.attributes else None
    options = SourceOptions(
        root=local_path(settings.root) if settings.root else None,
        classes=local_path(settings.classes) if settings.classes else None,
        attributes=attributes,
        label_format=settings.label_format,
        split=settings.split,
        one_based=settings.one_based,
        box_polygons=settings.box_polygons,
        colors=local_path(settings.colors) if settings.colors else None,
    )
    return FORMATS[name].source(local_path(path), options)


def report_skipped(skipped: Skipped, output: Path) -> int:
    """Write and print what is left out of a data set. Returns the exit status."""
    from vision.data.convert.conversion import SKIPPED_NOUN

    file = output.with_name(f"{output.name}.left-out.txt")
    skipped.write(file)
    for line in skipped.summary(SKIPPED_NOUN, file):
        print(line, file=sys.stderr)
    return SOME_SKIPPED if len(skipped) else 0

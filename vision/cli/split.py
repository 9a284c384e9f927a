"""``vision split``: split a data set into parts, such as train and validation."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from vision.cli.assignments import fill_places, read_assignments
from vision.cli.convert import SourceSettings, check_places, format_rows, guess_format, report_skipped, source_of
from vision.settings.counted import counted
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.nearest import shown

HELP = """\
Usage: vision split INPUT OUTPUT [format=FORMAT] [parts=train:0.8,validation:0.2] [name=value ...]

Formats, and what input is (format= may be left out where the data show it):
{formats}

  parts         names and shares; they must add up to 1
  seed          draws the parts (default 0): the same seed gives the same parts
  stratify      true (default) spreads every class over the parts by their shares
  group         a pattern (regular expression) in image names: images for which it matches the same text, or whose
                first bracket does, stay together. patient_(\\d+) keeps each patient in one part
  keep_copies   true (default) keeps copies and near copies of an image, as vision inspect finds them, in one part,
                with whole chains of them up to a twentieth of the images; false does not decode the images
  images        copy (default), link or keep, as in vision convert
  root, classes, attributes, label_format, split, colors, box_polygons, one_based, workers: as in vision convert

Writes FOLDER/PART, or FOLDER/PART with the format's suffix. Exit status: 0 done, 1 something left out, 2 nothing done.

Example: vision split all.rec data parts=train:0.8,validation:0.1,test:0.1"""


class SplitSettings(SourceSettings):
    """Settings of ``vision split``."""

    parts: str = Field("train:0.8,validation:0.2", description="names and shares")
    seed: int = Field(0, ge=0, lt=2**32, description="draws the parts")
    group: str | None = Field(None, description="pattern of what stays together")
    stratify: bool = Field(True, description="whether classes are spread evenly")
    keep_copies: bool = Field(True, description="whether copies of an image stay in one part")
    images: Literal["copy", "link", "keep"] = Field("copy", description="what becomes of the image files")


def run(argv: Sequence[str]) -> int:
    """Split one data set. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP.format(formats=format_rows()))
        return 0
    places = ("format", "input", "output")
    words = read_assignments(argv, names=(*places, *SplitSettings.model_fields), sections=(), allow_files=True)
    given = fill_places(words, ("input", "output"))
    guess_format(given.names, "format")
    check_places(given.names, places)
    settings = SplitSettings.parse({name: value for name, value in given.names.items() if name not in places})
    shares, group = read_shares(settings.parts), _read_group(settings.group)

    from vision.data.convert.splitting import SplitOptions, split
    from vision.progress_bar import progress_bar
    from vision.settings.device import usable_cores

    output = local_path(given.names["output"])
    source = source_of(given.names["format"], given.names["input"], settings)
    options = SplitOptions(shares, settings.seed, group, settings.stratify, settings.keep_copies)
    workers = settings.workers or usable_cores()
    with progress_bar("splitting", len(source) * (2 if settings.keep_copies else 1)) as advance:
        parts = split(source, given.names["format"], output, options, settings.images, workers, advance)
    for name, count in parts.images.items():
        classes = ", ".join(f"{label} {number}" for label, number in list(parts.classes[name].items())[:10])
        print(f"{name}: {counted(count, 'image')} ({classes}{', ...' if len(parts.classes[name]) > 10 else ''})")
    for note in parts.notes:
        print(f"vision: {note}", file=sys.stderr)
    return report_skipped(parts.skipped, output / "split")


def read_shares(text: str) -> dict[str, float]:
    """Return ``train:0.8,validation:0.2`` as a mapping. Raises SettingsError."""
    shares: dict[str, float] = {}
    for word in text.split(","):
        name, _, share = word.strip().partition(":")
        try:
            value = float(share)
        except ValueError:
            value = -1.0
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name in shares or not 0 < value <= 1:
            raise SettingsError([f"Setting parts is {shown(text)} but must be like train:0.8,validation:0.2."])
        shares[name] = value
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise SettingsError([f"Setting parts is {shown(text)}, which adds up to {sum(shares.values()):g}, not to 1."])
    return shares


def _read_group(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise SettingsError([f"Setting group is {shown(text)}, which is not a valid pattern: {error}."]) from None

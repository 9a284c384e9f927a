"""``vision duplicates``: copies among the images of an index, also re-encoded, cropped, turned or mirrored ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from vision.cli.assignments import fill_places, read_assignments
from vision.files.atomic_file import check_writable, write_whole
from vision.progress_bar import progress_bar
from vision.reports.formatting import printable
from vision.settings.counted import counted
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.nearest import shown

HELP = """\
Usage: vision duplicates INDEX [similarity=0.9] [output=FILE.json]

Finds images of equal bytes, images that show one picture although it was re-encoded, scaled, cropped, turned or
mirrored, and other photos of one object or scene. Vectors of the index choose the pairs, and up to 20,000 images also
visual words; the files themselves decide, by small copies and by local features (SIFT) on which one change of view
agrees: copies are the same pixel by pixel, other photos of a scene are not.

  index       the folder that `vision index` made
  similarity  compare all pairs whose vectors are at least so similar, 0 to 1, and each image with its 5 nearest
  output      also write the groups to this JSON file

Example: vision duplicates index"""

_MOST_GROUPS = 20
_MOST_NAMES = 4


def run(argv: Sequence[str]) -> int:
    """Find and print the copies. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    words = read_assignments(argv, names=("index", "similarity", "output"), sections=(), allow_files=True)
    given = fill_places(words, ("index",))
    problems = []
    if not given.names.get("index"):
        problems.append("Setting index is required but missing: give index=PATH.")
    similarity = _share(given.names.get("similarity", "0.9"))
    if similarity is None:
        problems.append(f"Setting similarity is {shown(given.names['similarity'])} but must be a number from 0 to 1.")
    if problems or similarity is None:
        raise SettingsError(problems)
    output = local_path(given.names["output"]) if given.names.get("output") else None
    if output is not None:
        check_writable(output)
    # Imported after the settings are checked: importing torch takes seconds.
    from vision.retrieval.copies import MOST_WITH_WORDS, find_copies
    from vision.retrieval.found_images import pixels_of_file
    from vision.retrieval.image_index import ImageIndex

    entries = ImageIndex.open(local_path(given.names["index"])).entries()
    with progress_bar("comparing pairs", None) as advance:
        found = find_copies(entries, pixels_of_file, similarity, advance)
    for title, groups in (("equal bytes", found.exact), ("one picture", found.near), ("one scene", found.scenes)):
        print(f"{title}: {counted(len(groups), 'group')}")
        for group in groups[:_MOST_GROUPS]:
            more = len(group) - _MOST_NAMES
            print(f"  {', '.join(map(printable, group[:_MOST_NAMES]))}{f' and {more} more' if more > 0 else ''}")
        if len(groups) > _MOST_GROUPS:
            print(f"  and {counted(len(groups) - _MOST_GROUPS, 'more group')}; output=FILE.json writes all")
    if len(entries) > MOST_WITH_WORDS:
        print(
            f"vision: among {len(entries):,} images only vectors chose pairs, as visual words do for up to "
            f"{MOST_WITH_WORDS:,}: crops may be missed, unless parts of the images are indexed apart",
            file=sys.stderr,
        )
    if found.unread:
        print(
            f"vision: {counted(len(found.unread), 'image')} could not be compared, such as "
            f"{printable(found.unread[0])}: it compares image files (no records of a .rec file) that are still where "
            "their names say, relative to this folder",
            file=sys.stderr,
        )
    if output is not None:
        write_whole(output, json.dumps(asdict(found), indent=2) + "\n")
    return 0


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None

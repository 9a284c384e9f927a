"""``vision im2rec``: list images and pack them into .rec files, with the command line of MXNet's im2rec."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from vision.settings.counted import counted
from vision.settings.errors import SettingsError, UserError
from vision.settings.file_names import shown_name

SOME_SKIPPED = 1
DESCRIPTION = """\
Lists images (--list), or packs listed images into .rec and .idx files, with the options of MXNet's im2rec.py and the
same records. A killed packing continues when the same command is given again.

--list --recursive writes classes.txt beside the list, with the folders in the order of their labels.

Labels: a line's single label is packed as a number. Several labels are packed as a vector if they are boxes (header
width >= 2, object width >= 5, then whole objects) or a 0/1 column for each class; --pack-label packs any vector,
--no-pack-label keeps the first number only, as MXNet does unless told --pack-label.

Exit status: 0 all images packed, 1 some left out (each is named in PREFIX.left-out.txt), 2 nothing done."""
EPILOG = """\
examples:
  vision im2rec data/train images/ --list --recursive      folders are classes: writes data/train.lst
  vision im2rec data/train images/ --resize 256            writes data/train.rec and data/train.idx"""


class _Parser(argparse.ArgumentParser):
    """Reports errors in the way all verbs do."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"im2rec: {message}; vision im2rec --help shows the options")


def run(argv: Sequence[str]) -> int:
    """List or pack. Returns the exit status."""
    parser = _make_parser()
    if {"-h", "--help"}.intersection(argv):
        print(parser.format_help().replace("usage:", "Usage:", 1))
        return 0
    given = parser.parse_args(list(argv))
    _check(given)
    # Paths of file systems that show the same folder twice stay as the user wrote them: no links are resolved.
    given.prefix, given.root = os.path.abspath(given.prefix), os.path.abspath(given.root)
    return _list(given) if given.list else _pack(given)


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vision im2rec",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=True,
    )
    parser.add_argument("prefix", metavar="PREFIX", help="path of the .lst and .rec files, without the suffix")
    parser.add_argument("root", metavar="ROOT", help="folder of the images")
    lists = parser.add_argument_group("listing")
    lists.add_argument("--list", action="store_true", help="write lists; without it, lists are packed")
    lists.add_argument(
        "--exts",
        nargs="+",
        default=[".jpeg", ".jpg", ".png"],
        help="suffixes, in capital or small letters (%(default)s)",
    )
    lists.add_argument("--chunks", type=int, default=1, help="number of lists (1)")
    lists.add_argument("--train-ratio", type=float, default=1.0, help="share in PREFIX_train.lst (1: PREFIX.lst alone)")
    lists.add_argument("--test-ratio", type=float, default=0.0, help="share in PREFIX_test.lst (0); the rest is _val")
    lists.add_argument("--recursive", action="store_true", help="look into folders too; each is a class")
    lists.add_argument("--no-shuffle", dest="shuffle", action="store_false", help="keep the order of names")
    packs = parser.add_argument_group("packing")
    packs.add_argument("--pass-through", action="store_true", help="pack each file's bytes as they are")
    packs.add_argument("--resize", type=int, default=0, help="shorter edge in pixels (0: as it is)")
    packs.add_argument("--center-crop", action="store_true", help="cut out the square in the middle, before resizing")
    packs.add_argument("--quality", type=int, default=95, help="JPEG 1 to 100, PNG compression 1 to 9 (95)")
    packs.add_argument("--num-thread", type=int, default=0, help="worker processes (0: one for each processor)")
    packs.add_argument("--color", type=int, default=1, choices=[-1, 0, 1], help="1 color, 0 gray, -1 unchanged (1)")
    packs.add_argument("--encoding", default=".jpg", choices=[".jpg", ".png"], help="(.jpg)")
    packs.add_argument("--pack-label", action=argparse.BooleanOptionalAction, default=None, help="see above")
    packs.add_argument(
        "--fast-decode",
        action="store_true",
        help="decode JPEGs that --resize shrinks to a half or less at a fraction of their size: faster, but the pixels "
        "are not those of MXNet's tool, and the longer edge may differ by one",
    )
    return parser


def _check(given: argparse.Namespace) -> None:
    problems = []
    if given.chunks < 1:
        problems.append(f"--chunks is {given.chunks} but must be at least 1.")
    for name, ratio in (("--train-ratio", given.train_ratio), ("--test-ratio", given.test_ratio)):
        if not 0 <= ratio < math.inf:
            problems.append(f"{name} is {ratio:g} but must be a share from 0 to 1.")
    if given.resize < 0:
        problems.append(f"--resize is {given.resize} but must be a number of pixels, or 0 for none.")
    if not 1 <= given.quality <= 100:
        problems.append(f"--quality is {given.quality} but must be from 1 to 100.")
    if given.num_thread < 0:
        problems.append(f"--num-thread is {given.num_thread} but must be at least 1, or 0 for all processors.")
    if not os.path.isdir(given.root):
        problems.append(f"ROOT is {given.root!r}, which is not a folder: give the folder of the images.")
    if problems:
        raise SettingsError(problems)


def _list(given: argparse.Namespace) -> int:
    from vision.data.im2rec.listing import ListOptions, list_images, write_lists

    options = ListOptions(
        tuple(given.exts), given.recursive, given.shuffle, given.chunks, given.train_ratio, given.test_ratio
    )
    listing = list_images(Path(given.root), options)
    if listing.skipped.sentences:
        print("\n".join(listing.skipped.summary("file")), file=sys.stderr)
    if not listing.images and listing.skipped.sentences:
        raise UserError(f"{given.root} holds no image that can be listed.")
    if not listing.images:
        hint = "" if given.recursive else "; --recursive looks into its folders too"
        raise UserError(f"{given.root} holds no files ending in {', '.join(given.exts)}{hint}.")
    for label, folder in enumerate(listing.folders):
        print(folder, label)
    if given.recursive:
        _write_classes(Path(given.prefix).parent, listing.folders, given.root)
    for path, lines in write_lists(given.prefix, listing, options).items():
        print(f"{path}: {counted(lines, 'image')}")
    if given.train_ratio < 1 < given.train_ratio + given.test_ratio:
        print("vision: the two ratios are more than 1 together, so training gets what is left", file=sys.stderr)
    if listing.others:
        print(
            f"vision: left out: {counted(len(listing.others), 'image')} with another suffix, first "
            f"{shown_name(listing.others[0])}; --exts lists them, too, and im2rec packs what OpenCV can decode",
            file=sys.stderr,
        )
    return SOME_SKIPPED if listing.skipped.sentences else 0


def _write_classes(folder: Path, names: tuple[str, ...], root: str) -> None:
    """Write the class names beside the lists, where training and every tool find them."""
    from vision.data.class_list import find_class_list, write_class_list

    existing = find_class_list(None, folder)
    if existing is not None and existing != names:
        raise UserError(
            f"{folder / 'classes.txt'} names the classes {', '.join(existing)}, but the folders below {root} are "
            f"{', '.join(names)}: their labels would mean other classes; give every class a folder, or give another "
            "folder in PREFIX."
        )
    write_class_list(folder, names)


def _pack(given: argparse.Namespace) -> int:
    from vision.data.im2rec.encoding import PackOptions
    from vision.data.im2rec.packing import count_lines, lists_of, pack_list, skipped_file
    from vision.progress_bar import progress_bar
    from vision.settings.device import usable_cores

    options = PackOptions(
        root=given.root,
        pass_through=given.pass_through,
        resize=given.resize,
        center_crop=given.center_crop,
        quality=given.quality,
        color=given.color,
        encoding=given.encoding,
        pack_label=given.pack_label,
        fast_decode=given.fast_decode,
    )
    lists = lists_of(given.prefix)
    if not lists:
        raise UserError(f"No .lst file begins with {given.prefix}: make one with --list, or give another PREFIX.")
    status = 0
    for lst in lists:
        with progress_bar(lst.name, count_lines(lst)) as advance:
            packed = pack_list(lst, options, given.num_thread or usable_cores(), advance)
        continued = f", continued after {counted(packed.lines_resumed, 'line')}" if packed.lines_resumed else ""
        print(f"{lst.with_suffix('.rec')}: {counted(packed.records, 'record')}{continued}")
        for line in packed.skipped.summary("line", skipped_file(lst)):
            print(line, file=sys.stderr)
        status = SOME_SKIPPED if len(packed.skipped) else status
    return status

"""Pack the images of a .lst file into a .rec file and its .idx, in the order of the list."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2

from vision.data.im2rec.encoding import CannotPackError, PackOptions, payload_of_line
from vision.data.im2rec.resumable_records import Batch, ResumableRecords
from vision.data.image_codec import prepare_process
from vision.data.parallel import ordered_map
from vision.data.recordio.record import MAX_PAYLOAD_BYTES
from vision.data.recordio.writer import frame
from vision.data.skipped import Skipped
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular_text

# What a worker gives back at once: enough to make handing it over cheap, not so much that results fill the memory.
BATCH_BYTES = 4 << 20
MOST_LINES, FIRST_LINES = 512, 16


class _Work(NamedTuple):
    list_name: str
    first_line: int
    lines: list[str]


@dataclass(frozen=True)
class Packed:
    """The result for one list: records written, lines that a killed process had done already, and what was left out."""

    records: int
    lines_resumed: int
    skipped: Skipped


def lists_of(prefix: str) -> list[Path]:
    """Return the sorted .lst files whose full path begins with ``prefix``, as MXNet's tool selects them."""
    folder = Path(prefix) if os.path.isdir(prefix) else Path(os.path.dirname(prefix))
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.glob("*.lst")) if str(path).startswith(prefix) and path.is_file()]


def count_lines(lst: Path) -> int:
    """Return the number of lines of a list, including blank ones."""
    return sum(1 for _ in _read_lines(lst))


def pack_list(lst: Path, options: PackOptions, workers: int, advance: Callable[[int], None]) -> Packed:
    """Write the .rec and .idx beside ``lst``, continuing the work of a killed process.

    ``advance`` is called with the number of lines done. Lines without a record are listed in ``NAME.left-out.txt``.
    """
    with ResumableRecords(lst.with_suffix(".rec"), _made_from(lst, options)) as records:
        resumed = records.lines_done
        advance(resumed)
        for batch in ordered_map(_pack, options, _batches(lst, options, resumed), workers):
            records.append(batch)
            advance(batch.lines)
    records.skipped.write(skipped_file(lst))
    return Packed(records.count, resumed, records.skipped)


def skipped_file(lst: Path) -> Path:
    """Return the path of the file that lists lines without a record."""
    return lst.with_name(f"{lst.stem}.left-out.txt")


def _made_from(lst: Path, options: PackOptions) -> str:
    """Return a text of all that the records depend on, except the images, which must not change meanwhile."""
    digest = hashlib.sha256()
    for line in _read_lines(lst):
        digest.update(line.encode())
    return json.dumps({**asdict(options), "lst": digest.hexdigest(), "opencv": cv2.__version__}, sort_keys=True)


def _read_lines(lst: Path) -> Iterator[str]:
    try:
        with open_regular_text(lst, newline="\n") as file:
            yield from file
    except OSError as error:
        raise DataError(str(lst), f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(str(lst), "is not UTF-8 text; save the file as UTF-8") from None


def _batches(lst: Path, options: PackOptions, done: int) -> Iterator[_Work]:
    lines = islice(_read_lines(lst), done, None)
    number, size = done + 1, FIRST_LINES
    while batch := list(islice(lines, size)):
        if number == done + 1:
            size = _lines_at_once(batch, options.root)
        yield _Work(lst.name, number, batch)
        number += len(batch)


def _lines_at_once(lines: list[str], root: str) -> int:
    """Return the number of lines in a batch, estimated from the file sizes of the first ones."""
    sizes = []
    for line in lines:
        try:
            sizes.append(os.stat(os.path.join(root, line.rstrip().rpartition("\t")[2])).st_size)
        except (OSError, ValueError):
            continue
    mean = max(sum(sizes) / len(sizes), 1) if sizes else BATCH_BYTES
    return min(max(int(BATCH_BYTES / mean), 1), MOST_LINES)


def _pack(options: PackOptions, work: _Work) -> Batch:
    prepare_process()
    pieces: list[bytes] = []
    sizes: list[tuple[int, int]] = []
    skipped: list[tuple[str, str]] = []
    for number, line in enumerate(work.lines, work.first_line):
        if not line.strip():
            continue
        try:
            record_id, payload = payload_of_line(line, options)
            if len(payload) > MAX_PAYLOAD_BYTES:
                raise CannotPackError(f"makes a record of more than {MAX_PAYLOAD_BYTES} bytes, the most it can hold")
        except CannotPackError as problem:
            skipped.append((f"{work.list_name} line {number}", str(problem)))
            continue
        framed = list(frame(payload))
        pieces += framed
        sizes.append((record_id, sum(map(len, framed))))
    return Batch(b"".join(pieces), sizes, len(work.lines), skipped)

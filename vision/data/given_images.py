"""The images that the words of a command name: files, folders, globs, and data sets packed into one file."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from vision.settings.errors import DataError, UserError
from vision.settings.file_names import local_path, name_problem, shown_name
from vision.settings.nearest import shown
from vision.settings.regular_file import open_regular

DATA_SETS = (".rec", ".lst", ".manifest", ".jsonl")

Image: TypeAlias = "tuple[str, bytes | memoryview | DataError]"


def find_images(words: Sequence[str]) -> list[Path]:
    """Return the files, the images below the folders, sorted by name, and the files that the globs match.

    Raises UserError for a word that names no image, such as an empty one, which would be the current folder.
    """
    if not words or "" in words:
        raise UserError("Images are missing: give files, folders, globs or .rec files.")
    found: list[Path] = []
    for word in words:
        path = local_path(word)
        if path.is_dir():
            new = _images_below(path)
        elif path.exists():
            new = [path]
        else:
            new = [Path(match) for match in sorted(glob.glob(str(path), recursive=True)) if Path(match).is_file()]
        for found_path in new:
            if problem := name_problem(str(found_path)):
                raise UserError(f"Argument {shown(word)} names {shown_name(str(found_path))}, which {problem}.")
        if not new and not glob.has_magic(word) and not path.is_dir():
            raise UserError(
                f"Argument {shown(word)} does not exist: give an image, a folder, a glob or a .rec file that does."
            )
        if not new:
            raise UserError(f"Argument {shown(word)} names no image: give an image, a folder, a glob or a .rec file.")
        found += new
    return found


def pool_images(words: Sequence[str]) -> list[Path]:
    """Return the files that ``find_images`` finds. Raises UserError for one that holds a data set with its labels."""
    found = find_images(words)
    packed = next((path for path in found if path.suffix.lower() in DATA_SETS), None)
    if packed is not None:
        raise UserError(f"{packed} has its labels in itself: give the images of a pool as files or folders.")
    return found


def encoded_images(paths: Iterable[Path]) -> Iterator[Image]:
    """Yield (key, encoded image) of each file, and of each image of a data set in one file.

    In place of an image that cannot be read stands the error.
    """
    for path in paths:
        if path.suffix.lower() in DATA_SETS:
            yield from _images_of_data_set(path)
        else:
            yield str(path), _content(path)


def _images_of_data_set(path: Path) -> Iterator[Image]:
    from vision.data.readers.open import open_channel
    from vision.settings.channels import Channel

    try:
        reader = open_channel({"images": Channel(path)}, "images")
    except DataError as error:
        yield str(path), error
        return
    for index in range(len(reader)):
        try:
            sample = reader[index]
        except DataError as error:
            yield reader.key(index), error
        else:
            yield sample.key, sample.encoded


def _content(path: Path) -> bytes | DataError:
    from vision.data.readers.file_table import MAX_FILE_BYTES

    try:
        with open_regular(path) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return DataError(str(path), f"cannot be read ({error.strerror})")
    if len(content) > MAX_FILE_BYTES:
        return DataError(str(path), f"has more than the {MAX_FILE_BYTES} bytes that a file may have")
    return content


def _images_below(folder: Path) -> list[Path]:
    from vision.data.readers.file_table import is_foreign_image_name, is_image_name, walk_files

    def is_meant(name: str) -> bool:
        # Images of unsupported kinds are kept here, and reported when they are read.
        return is_image_name(name) or is_foreign_image_name(name)

    def pass_over(name: str, kind: str) -> None:
        if is_meant(name):
            print(f"vision: {folder}: {shown_name(name)} is passed over: it is {kind}", file=sys.stderr)

    return [folder / name for name in walk_files(folder, pass_over) if is_meant(name)]

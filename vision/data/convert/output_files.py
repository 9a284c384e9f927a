"""Write the files of a data set: texts, images, references to images, and ids of images."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vision.data.convert.annotated_image import AnnotatedImage
from vision.data.readers.file_table import is_clutter, is_image_name
from vision.files.atomic_file import AtomicFile, atomic_file, write_whole
from vision.files.write_error import WriteError, make_below, make_folder, writing
from vision.settings.errors import DataError, UserError
from vision.settings.file_names import name_problem, shown_name

IMAGES = "images"
# Keys of ``extra``: the address by which a manifest named the image, where that is not a path; and the number of a line
# of a .lst, of a record or of a COCO image.
ADDRESS, ID = "address", "id"


class TextFile(AtomicFile):
    """A UTF-8 text file that gets its name once complete; makes its folder if missing."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        super().__init__(path)


def in_images_folder(name: str) -> str:
    """Return ``images/a.jpg`` for ``a.jpg``; a name that begins with images/ stays."""
    return name if name.startswith(f"{IMAGES}/") else f"{IMAGES}/{name}"


def below_images_folder(name: str) -> str:
    """Return ``a.jpg`` for ``images/a.jpg``, for formats whose paths begin in the images folder."""
    return name.removeprefix(f"{IMAGES}/")


class ImagePlacer:
    """Puts images below ``folder``. ``how``: "copy" writes them, "link" makes hard links where possible.

    ``walked`` says that readers find the images by walking the folder, so hidden names and odd suffixes are refused.
    """

    def __init__(self, folder: Path, how: str, walked: bool = False) -> None:
        self.folder, self._how, self._walked = folder, how, walked
        self._placed: set[str] = set()
        self._made: set[Path] = set()

    def place(self, name: str, image: AnnotatedImage, encoded: bytes | memoryview) -> None:
        """Put the image at ``name`` below the folder. Raises DataError if something else is there."""
        if name.startswith("/") or ".." in name.split("/"):
            raise DataError(image.key, f"path {name!r} leaves the output folder; rename the image")
        if problem := name_problem(name):
            raise DataError(image.key, f"path {shown_name(name)} {problem}")
        if self._walked and (any(map(is_clutter, name.split("/"))) or not is_image_name(name)):
            raise DataError(
                image.key,
                f"path {name!r} would not be seen as an image in a folder, by its suffix or because it is hidden; "
                "rename the image",
            )
        if name in self._placed:
            raise DataError(image.key, f"has the name {name!r} of an earlier image; every image needs its own")
        target = self.folder / name
        with _of_one_image(image, target):
            if not self._made:
                make_folder(self.folder)
            # Once each: where a folder has vanished, so have the images in it.
            if target.parent not in self._made:
                make_below(self.folder, target.parent)
                self._made.add(target.parent)
            if target.exists():
                self._check_same(target, image, encoded)
            elif self._how == "link" and isinstance(image.image, Path):
                _link(image.image, target)
            else:
                write_whole(target, encoded, durable=False)
        self._placed.add(name)

    def check(self) -> None:
        """Raise UserError if an image that was placed is gone."""
        for name in sorted(self._placed):
            if not (self.folder / name).exists():
                raise UserError(
                    f"{self.folder / name} was written and is gone: another program removes files there; give another "
                    "output"
                )

    @staticmethod
    def _check_same(target: Path, image: AnnotatedImage, encoded: bytes | memoryview) -> None:
        if target.stat().st_size != len(encoded) or target.read_bytes() != bytes(encoded):
            raise DataError(image.key, f"{target} exists with other content; give another output folder")


def write_beside(folder: Path, name: str, content: bytes | str, image: AnnotatedImage) -> None:
    """Write a file that belongs to an image at ``name`` below a folder that exists.

    Raises DataError if the disk cannot hold its name, else WriteError.
    """
    path = folder / name
    with _of_one_image(image, path):
        make_below(folder, path.parent)
        write_whole(path, content, durable=False)


@contextmanager
def _of_one_image(image: AnnotatedImage, path: Path) -> Iterator[None]:
    """Raise DataError for a name that the disk cannot hold, which is a problem of one image, not of the disk."""
    try:
        with writing(path):
            yield
    except WriteError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENOTDIR, errno.EISDIR):
            raise DataError(image.key, str(error)) from error
        raise


def _link(source: Path, target: Path) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        # Another file system, or one without links.
        with source.open("rb") as original, atomic_file(target) as copy:
            shutil.copyfileobj(original, copy, 1 << 20)


class ReferenceWriter:
    """Places images for a file that names them. ``how``: copy or link into ``folder``/images, or keep in place."""

    def __init__(self, folder: Path, how: str) -> None:
        self._folder, self._how = folder.resolve(), how
        self._placer = ImagePlacer(folder, how)

    def place(self, image: AnnotatedImage, encoded: bytes | memoryview) -> str:
        """Place the image and return its path relative to ``folder``. Raises DataError."""
        if self._how == "keep":
            return self._kept(image)
        name = in_images_folder(image.name)
        self._placer.place(name, image, encoded)
        return name

    def check(self) -> None:
        """Raise UserError if an image that was placed is gone."""
        self._placer.check()

    def _kept(self, image: AnnotatedImage) -> str:
        if not isinstance(image.image, Path):
            raise DataError(image.key, "has no file of its own, so images=keep cannot refer to it; use images=copy")
        path = os.path.relpath(image.image.resolve(), self._folder)
        if path.startswith(".."):
            raise DataError(
                image.key, f"lies outside {self._folder}, so images=keep cannot refer to it; use images=link or copy"
            )
        return path


class Numbering:
    """Gives each image a unique id of at least 0."""

    def __init__(self) -> None:
        self._used: set[int] = set()
        self._next = 0

    def id_of(self, image: AnnotatedImage) -> int:
        """Return the image's own id if it is free, else the next free one."""
        given = image.extra.get(ID)
        if not isinstance(given, int) or given in self._used or not 0 <= given < 1 << 63:
            while self._next in self._used:
                self._next += 1
            given = self._next
        self._used.add(given)
        return given

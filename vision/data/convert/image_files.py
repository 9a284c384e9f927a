"""Image files of a data set: reading one whole, finding one by name, and placing one in an output folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vision.data.convert.neutral import AnnotatedImage, ImageBytes
from vision.data.image_header import BadHeaderError, read_header
from vision.data.readers.file_table import is_clutter, is_image_name, path_problem, read_file
from vision.files.atomic_file import atomic_file, write_whole
from vision.files.write_error import WriteError, make_below, make_folder, writing
from vision.settings.errors import DataError, UserError
from vision.settings.file_names import name_problem, shown_name

IMAGES = "images"
_SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "GIF": ".gif",
    "WebP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
}


def read_image(image: ImageBytes, key: str) -> bytes | memoryview:
    """The encoded image. Raises DataError."""
    if isinstance(image, memoryview):
        return image
    return read_file(image, key)


def find_image(name: object, roots: Sequence[Path], key: str) -> Path:
    """The file ``name`` below the first of ``roots`` that has it. Raises DataError."""
    if not isinstance(name, str) or not name:
        raise DataError(key, f"names its image by {name!r:.60}, which must be a path")
    problems = [path_problem(root, name) for root in roots]
    for root, problem in zip(roots, problems, strict=True):
        if problem is None:
            return root / name
    raise DataError(key, f"{problems[0]}; give root=FOLDER if the images lie elsewhere")


def suffix_of(encoded: bytes | memoryview) -> str:
    """File name suffix of an encoded image; ``.bin`` for what is none."""
    try:
        header = read_header(encoded)
    except BadHeaderError:
        header = None
    return ".bin" if header is None else _SUFFIXES[header.format]


def in_images_folder(name: str) -> str:
    """``a.jpg`` to ``images/a.jpg``; a name that lies there already stays."""
    return name if name.startswith(f"{IMAGES}/") else f"{IMAGES}/{name}"


def below_images_folder(name: str) -> str:
    """``images/a.jpg`` to ``a.jpg``, for formats that count from the images folder."""
    return name.removeprefix(f"{IMAGES}/")


class ImagePlacer:
    """Puts images below ``folder``. ``how``: "copy" writes them, "link" makes hard links where it can.

    ``walked`` says that readers find the images by walking through the folder, not by a list of their names.
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
    """A name that the disk cannot hold concerns one image; a full disk, say, all of them."""
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

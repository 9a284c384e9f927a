"""The files of one folder tree: finding them, keeping the names of millions compactly, reading one."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vision.data.containers.image_parts import ImageHeader
from vision.data.heic_decoder import can_decode
from vision.data.image_codec import image_header
from vision.settings.counted import counted
from vision.settings.errors import DataError
from vision.settings.file_names import name_problem, shown_name
from vision.settings.regular_file import irregular_kind, open_regular

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif"))
# Read where their library is installed.
HEIC_SUFFIXES = frozenset((".heic", ".heif", ".hif"))
# Images of kinds that are not read, with what to call them.
FOREIGN_SUFFIXES = {
    **dict.fromkeys(HEIC_SUFFIXES, "HEIC"),
    ".avifs": "AVIF sequence",
    **dict.fromkeys((".jp2", ".j2k", ".jpx", ".jpf", ".jpc"), "JPEG 2000"),
    **dict.fromkeys((".cr2", ".cr3", ".crw"), "Canon raw"),
    **dict.fromkeys((".nef", ".nrw"), "Nikon raw"),
    **dict.fromkeys((".arw", ".srf", ".sr2"), "Sony raw"),
    **dict.fromkeys((".raf", ".orf", ".rw2", ".pef", ".srw", ".3fr", ".dng"), "camera raw"),
    **dict.fromkeys((".psd", ".psb"), "Photoshop"),
    ".jxl": "JPEG XL",
    ".svg": "SVG",
    ".ico": "icon",
    ".tga": "Targa",
    ".exr": "OpenEXR",
    ".dcm": "DICOM",
}
MAX_FILE_BYTES = 1 << 29
# A thumbnail or a colour profile may stand before an image's size, and few are longer than this.
_HEADER_BYTES = 1 << 16


class FileTable:
    """Paths below ``root``, joined in one buffer (a list of strings would be copied into every process).

    A path that is absolute is used as it is; the caller decides whether to allow that.
    """

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.root = root
        encoded = [os.fsencode(path) for path in paths]
        self._bytes = b"".join(encoded)
        self._ends = np.cumsum([len(path) for path in encoded], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        start = int(self._ends[index - 1]) if index else 0
        return os.fsdecode(self._bytes[start : int(self._ends[index])])

    def read(self, index: int, key: str) -> bytes:
        """Return the content of one file. Raises DataError under ``key``."""
        return read_file(os.path.join(self.root, self[index]), key)

    def image_size_px(self, index: int, key: str) -> tuple[int, int]:
        """(width, height) of one upright image, from its header. Raises DataError under ``key``."""
        return self.image_header(index, key).upright_size

    def image_header(self, index: int, key: str) -> ImageHeader:
        """Return the header of one image. Raises DataError under ``key``."""
        return file_header(os.path.join(self.root, self[index]), key)


def read_file(path: str | Path, key: str) -> bytes:
    """Return the content of an image file. Raises DataError under ``key``."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise DataError(key, f"{path} has {size} bytes, more than the {MAX_FILE_BYTES} that a file may have")
            return file.read(size)
    except OSError as error:
        raise DataError(key, f"{path} cannot be read ({error.strerror})") from None


def file_size_px(path: str | Path, key: str) -> tuple[int, int]:
    """Return (width, height) of an upright image file, from its header. Raises DataError under ``key``."""
    return file_header(path, key).upright_size


def file_header(path: str | Path, key: str) -> ImageHeader:
    """Return the header of an image file, whose start is enough for most. Raises DataError under ``key``."""
    try:
        with open_regular(path) as file:
            start = file.read(_HEADER_BYTES)
    except OSError as error:
        raise DataError(key, f"{path} cannot be read ({error.strerror})") from None
    try:
        return image_header(start, key)
    except DataError:
        if len(start) < _HEADER_BYTES:
            raise
    return image_header(read_file(path, key), key)


def path_problem(root: Path, path: str) -> str | None:
    """Return half a sentence if ``path``, relative to ``root`` with forward slashes, leaves it or is not a file."""
    problem = name_problem(path)
    if problem:
        return f"path {shown_name(path)} {problem}"
    if os.path.isabs(path) or ".." in path.split("/"):
        return f"path {path!r} must be relative to {root} and stay below it, without '..'"
    full = os.path.join(root, path)
    if os.path.isfile(full):
        return None
    kind = irregular_kind(full) if os.path.lexists(full) else None
    if kind is not None:
        return f"path {path!r} is {kind}, not an image"
    hint = "; use forward slashes" if "\\" in path else ""
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, path)
        if other != path and os.path.isfile(os.path.join(root, other)):
            hint = (
                f", where a file has this name with its accents written in another way (Unicode {form}); write the "
                "name as the file has it, or rename it (convmv -f utf8 -t utf8 --nfc -r --notest FOLDER makes all NFC)"
            )
    return f"file {path!r} does not exist below {root}{hint}"


def is_image_name(path: str) -> bool:
    """Return whether the suffix is one of an image that can be read here."""
    suffix = os.path.splitext(path)[1].lower()
    return suffix in IMAGE_SUFFIXES or (suffix in HEIC_SUFFIXES and can_decode())


def is_foreign_image_name(path: str) -> bool:
    """Return whether the suffix is one of an image that cannot be read."""
    return os.path.splitext(path)[1].lower() in FOREIGN_SUFFIXES and not is_image_name(path)


def foreign_images_problem(paths: Sequence[str]) -> str | None:
    """Return half a sentence if some of these files are images that cannot be read: none is left out silently."""
    foreign = [path for path in paths if is_foreign_image_name(path)]
    if not foreign:
        return None
    kinds = Counter(FOREIGN_SUFFIXES[os.path.splitext(path)[1].lower()] for path in foreign)
    named = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    images = counted(len(foreign), "image")
    extra = "pip install 'vision[heif]' to have HEIC read, or " if "HEIC" in kinds else ""
    return (
        f"holds {images} of kinds that cannot be read ({named}; first {shown_name(foreign[0])}); "
        f"{extra}save them as JPEG or PNG (magick mogrify -format jpg, or the program that came with the camera), or "
        "take them out"
    )


def walk_files(root: Path, pass_over: Callable[[str, str], None] | None = None) -> Iterator[str]:
    """Yield the paths of all files below ``root``, relative with forward slashes, sorted within each folder.

    Hidden files and folders and those that operating systems leave behind do not count. Links to folders are
    followed; one that leads back into itself is a DataError, and so is a folder or image whose name is not UTF-8.
    ``pass_over`` is called with the path of each of the former, and of what is no regular file, and with what it
    is; without it the latter are given as files, which cannot be opened later.
    """
    yield from _walk(root, "", (os.path.realpath(root),), pass_over)


def _walk(
    folder: Path, prefix: str, above: tuple[str, ...], pass_over: Callable[[str, str], None] | None
) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda found: found.name):
        if is_clutter(entry.name):
            if pass_over is not None:
                pass_over(
                    prefix + entry.name, "hidden" if entry.name.startswith(".") else "a leftover of an operating system"
                )
            continue
        check_name(folder, entry)
        if not entry.is_dir():
            kind = irregular_kind(entry.path) if pass_over is not None else None
            if kind is None:
                yield prefix + entry.name
            elif pass_over is not None:
                pass_over(prefix + entry.name, kind)
            continue
        real = os.path.realpath(entry.path)
        if real in above:
            raise DataError(entry.path, "is a link to a folder that holds it; remove the link")
        yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", (*above, real), pass_over)


def check_name(folder: Path, entry: os.DirEntry[str]) -> None:
    """Raise DataError if a folder or image in ``folder`` has a name that cannot be written down."""
    problem = name_problem(entry.name)
    if problem and (entry.is_dir() or is_image_name(entry.name) or is_foreign_image_name(entry.name)):
        what = "folder" if entry.is_dir() else "image"
        raise DataError(str(folder), f"holds the {what} {shown_name(entry.name)}, whose name {problem}")


def is_clutter(name: str) -> bool:
    """Return whether the name of a file or folder says that no user put it there."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")

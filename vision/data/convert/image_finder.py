"""Find the image that a label file names, even by a path of another machine."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from vision.data.convert.annotated_image import ImageBytes
from vision.data.readers.file_table import is_image_name, path_problem, read_file
from vision.settings.errors import DataError

# No path is longer; what is may be an attempt to keep the search busy.
_LONGEST = 4096


def read_image(image: ImageBytes, key: str) -> bytes | memoryview:
    """Return the encoded image. Raises DataError."""
    if isinstance(image, memoryview):
        return image
    return read_file(image, key)


def find_image(name: object, roots: Sequence[Path], key: str) -> Path:
    """Return the path of the file ``name`` below the first of ``roots`` that has it. Raises DataError."""
    if not isinstance(name, str) or not name:
        raise DataError(key, f"names its image by {name!r:.60}, which must be a path")
    problems = [path_problem(root, name) for root in roots]
    for root, problem in zip(roots, problems, strict=True):
        if problem is None:
            return root / name
    raise DataError(key, f"{problems[0]}; give root=FOLDER if the images lie elsewhere")


class ImageFinder:
    """Searches ``roots`` for a name as it is written, then for ever shorter ends of its path.

    The suffix may differ in case or be missing. Paths that go up (``..``) are not shortened.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = list(roots)
        self._listed: dict[Path, dict[str, list[str]]] = {}
        # By file, the key of the label file or entry that it belongs to.
        self._owners: dict[Path, str] = {}

    def find(self, name: object, key: str) -> tuple[str, Path]:
        """Return the image's path below its root, with forward slashes, and its file.

        Raises DataError if there is none, or it belongs to another ``key`` already.
        """
        if not isinstance(name, str) or not name.strip():
            raise DataError(key, f"names its image by {name!r:.60}, which must be a path")
        for ending in _endings(name):
            for root in self.roots:
                found = self._below(root, ending, key)
                if found is not None:
                    return self._owned(root, found, key)
        problem = path_problem(self.roots[0], name)
        raise DataError(
            key, f"{problem or f'has no image {name!r:.100}'}; give root=FOLDER if the images lie elsewhere"
        )

    def by_stem(self, stem: str, key: str) -> tuple[str, Path] | None:
        """Return the image with that stem and any image suffix, and its file; None if there is none."""
        for root in self.roots:
            found = self._one_of(root, stem, None, key)
            if found is not None:
                return self._owned(root, found, key)
        return None

    def _owned(self, root: Path, found: str, key: str) -> tuple[str, Path]:
        path = root / found
        owner = self._owners.setdefault(path, key)
        if owner != key:
            raise DataError(key, f"has the image {found!r:.100}, which is that of {owner} already: keep one of the two")
        return found, path

    def _below(self, root: Path, path: str, key: str) -> str | None:
        if path_problem(root, path) is None:
            return path
        if path.startswith("/") or ".." in path.split("/") or "\0" in path:
            return None
        if not is_image_name(path):
            return self._one_of(root, path, None, key)
        stem, suffix = os.path.splitext(path)
        return self._one_of(root, stem, suffix.lower(), key)

    def _one_of(self, root: Path, stem: str, suffix: str | None, key: str) -> str | None:
        folder, _, base = stem.rpartition("/")
        names = self._images_in(root / folder).get(base, [])
        names = [name for name in names if suffix in (None, os.path.splitext(name)[1].lower())]
        if len(names) > 1:
            raise DataError(
                key, f"could mean {' or '.join(names)} in {root / folder}: name one of them with its suffix"
            )
        return (f"{folder}/{names[0]}" if folder else names[0]) if names else None

    def _images_in(self, folder: Path) -> dict[str, list[str]]:
        """Return the names of a folder's images by their stems; each folder is listed once."""
        if folder not in self._listed:
            found: dict[str, list[str]] = defaultdict(list)
            try:
                names = sorted(os.listdir(folder))
            except (OSError, ValueError):
                names = []
            for name in names:
                if is_image_name(name):
                    found[os.path.splitext(name)[0]].append(name)
            self._listed[folder] = found
        return self._listed[folder]


def _endings(name: str) -> list[str]:
    """Return the names to try: ``C:\\a\\b.jpg`` as it is, then ``C:/a/b.jpg``, ``a/b.jpg`` and ``b.jpg``."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or len(name) > _LONGEST:
        return [name]
    return list(dict.fromkeys([name, *("/".join(parts[start:]) for start in range(len(parts)))]))

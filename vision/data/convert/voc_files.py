"""The files of a VOC data set: folders of annotations and images, lists of images."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from vision.data.convert.dataset_folder import siblings
from vision.data.readers.file_table import is_image_name, walk_files
from vision.data.skipped import Skipped
from vision.settings.errors import UserError
from vision.settings.file_names import strip_blanks
from vision.settings.regular_file import open_regular_text

ANNOTATIONS, JPEG_IMAGES, LISTS = "Annotations", "JPEGImages", "ImageSets/Main"
_ANNOTATION_FOLDERS = ("annotations", "annotation", "xmls", "xml", "labels")
_IMAGE_FOLDERS = ("jpegimages", "images", "image", "imgs", "img")
_LIST_FOLDERS = (LISTS, "ImageSets", "")
_SUFFIX = ".xml"
# What the class lists of the PASCAL challenges put behind a name: absent, difficult, present.
_FLAGS = ("-1", "0", "1")


class VocLayout:
    """Finds the folders: ``annotations`` has the XML files, ``roots`` are those where images may be."""

    def __init__(self, path: Path) -> None:
        named = _subfolders(path, _ANNOTATION_FOLDERS)
        self.annotations = named[0] if named else path
        top = path.parent if not named and path.name.lower() in _ANNOTATION_FOLDERS else path
        self.top = top
        self.roots = [*_subfolders(top, _IMAGE_FOLDERS), *dict.fromkeys((top, self.annotations))]

    def files(self) -> list[str]:
        """Return the paths of all annotations below their folder. Raises UserError if there are none."""
        found = _xml_files(self.annotations)
        if not found:
            raise UserError(f"{self.annotations} holds no .xml files, which VOC has for its images.")
        return found

    def all_files(self) -> Iterator[tuple[Path, str]]:
        """Yield folder and path of every annotation of the data set, including the parts beside this one."""
        for part in siblings(self.top):
            folder = self.annotations if part == self.top else VocLayout(part).annotations
            yield from ((folder, file) for file in (_xml_files(folder) if folder.is_dir() else ()))
        for part in siblings(self.annotations) if self.annotations != self.top else ():
            if part.resolve() != self.annotations.resolve():
                yield from ((part, file) for file in _xml_files(part))

    def lists(self) -> list[str]:
        """Return the names of the lists in ImageSets."""
        return [path.stem for folder in _LIST_FOLDERS[:2] for path in sorted((self.top / folder).glob("*.txt"))]

    def listed(self, split: str, skipped: Skipped) -> list[str]:
        """Return the annotations that a list of ImageSets names; lines without one go to ``skipped``."""
        name = split if split.endswith(".txt") else f"{split}.txt"
        tried = [self.top / folder / name for folder in _LIST_FOLDERS]
        path = next((path for path in tried if path.is_file()), tried[0])
        try:
            with open_regular_text(path) as text:
                lines = text.read().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"split={split} needs the list {path}, which cannot be read: {error}.") from None
        index = _Index(self.files())
        found: dict[str, None] = {}
        for number, line in enumerate(lines, 1):
            if strip_blanks(line):
                is_meant, file = index.find(strip_blanks(line))
                if file is None:
                    skipped.add(
                        f"{path.name} line {number}", f"names {strip_blanks(line)!r:.100}, which has no annotation"
                    )
                elif is_meant:
                    found[file] = None
        return list(found)


class _Index:
    """Finds an annotation by a line of a list: with or without folder, suffix and a flag at its end."""

    def __init__(self, files: Sequence[str]) -> None:
        self._by_stem = {os.path.splitext(file)[0]: file for file in files}
        self._by_base: dict[str, list[str]] = defaultdict(list)
        for stem, file in self._by_stem.items():
            self._by_base[os.path.basename(stem)].append(file)

    def find(self, line: str) -> tuple[bool, str | None]:
        """Return whether the line selects its image, and the annotation's path, None if there is none."""
        file = self._file(line)
        if file is not None:
            return True, file
        name, _, flag = line.rpartition(" ")
        return flag != "-1", self._file(strip_blanks(name)) if flag in _FLAGS else None

    def _file(self, name: str) -> str | None:
        name = name.replace("\\", "/")
        stem = os.path.splitext(name)[0] if is_image_name(name) or name.lower().endswith(_SUFFIX) else name
        for known in dict.fromkeys((name, stem)):
            if known in self._by_stem:
                return self._by_stem[known]
        files = self._by_base.get(os.path.basename(stem), [])
        return files[0] if len(files) == 1 else None


def _xml_files(folder: Path) -> list[str]:
    return [path for path in walk_files(folder) if path.lower().endswith(_SUFFIX)] if folder.is_dir() else []


def _subfolders(path: Path, names: Sequence[str]) -> list[Path]:
    """Return the folders of ``path`` with one of ``names`` in any case, in the order of ``names``."""
    try:
        found = [entry for entry in path.iterdir() if entry.name.lower() in names and entry.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda entry: (names.index(entry.name.lower()), entry.name))

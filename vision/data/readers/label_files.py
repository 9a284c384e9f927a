"""Images with a label file each: annotation JSON (SageMaker's image format for object detection) or masks."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

from vision.data.class_list import find_class_list
from vision.data.readers.class_names import ClassNames
from vision.data.readers.file_table import FileTable, foreign_images_problem, is_image_name, walk_files
from vision.data.readers.problems import SHOWN, Problems
from vision.data.sample import RawTarget, Sample
from vision.settings.errors import DataError
from vision.settings.strict_json import parse_json

# What a label file holds follows from its suffix: a JSON object, or an image that labels each pixel.
JSON, MASK = ".json", ".png"
LABEL_SUFFIXES = (JSON, MASK)


class LabelFilesReader:
    """Images below ``image_root`` and label files below ``label_root``, which must pair off completely.

    ``suffixes``: the label files that the algorithm takes; those of the first that occurs are read. A JSON file
    belongs to the image that its ``file`` names (relative to ``image_root``); if there is none, as for masks, to the
    one image of the same path without suffix, or of the same base name. The target is the JSON object as it is, or the
    bytes of the mask. Class names are those of the file ``classes``, else gathered from the ``categories`` of all JSON
    files.
    """

    def __init__(
        self,
        image_root: str | Path,
        label_root: str | Path,
        classes: Path | None = None,
        suffixes: Collection[str] = (JSON,),
    ) -> None:
        image_root, label_root = Path(image_root), Path(label_root)
        files_below = list(walk_files(image_root))
        images = [path for path in files_below if is_image_name(path)]
        foreign = foreign_images_problem(files_below)
        if foreign:
            raise DataError(str(image_root), foreign)
        if not label_root.is_dir():
            kinds = " or ".join(suffix[1:].upper() for suffix in suffixes)
            raise DataError(str(label_root), f"is no folder; one {kinds} file for each image must lie there")
        if not images:
            raise DataError(str(image_root), "holds no images")
        suffix, labels = _label_files(label_root, suffixes)
        self._name = label_root.name
        files = FileTable(label_root, labels)
        problems, names, pairing = Problems(str(label_root)), ClassNames(), _Pairing(images)
        pairs: dict[str, str] = {}
        lost: list[str] = []
        for index, label in enumerate(labels):
            try:
                content = parse_annotation(files.read(index, label)) if suffix == JSON else {}
                image = pairing.find(label, content.get("file"))
            except DataError as error:
                problems.add(str(error))
                continue
            except ValueError as error:
                problems.add(f"{label}: {error}")
                continue
            for problem in _add_names(names, content, label):
                problems.add(f"{label}: {problem}")
            if image is None:
                lost.append(label)
            elif image in pairs:
                problems.add(f"{label}: belongs to {image}, as {pairs[image]} does; keep one of the two")
            else:
                pairs[image] = label
        alone = [image for image in images if image not in pairs]
        broken = problems.count
        kind = "annotation" if suffix == JSON else "mask"
        if lost:
            problems.add(f"{len(lost)} {kind} files have no image below {image_root}: {_first(lost)}")
        if alone and not broken:
            empty = ', or give an image without objects a file with "annotations": []' if suffix == JSON else ""
            problems.add(
                f"{len(alone)} images below {image_root} have no {kind} file: {_first(alone)}; remove them{empty}"
            )
        problems.raise_if_any()
        self.class_names: tuple[str, ...] | None = find_class_list(
            classes,
            label_root,
            image_root,
            above=label_root.parent,
            stated=names.names(),
            stated_by=f"the annotations below {label_root}",
        )
        self._images = FileTable(image_root, images)
        self._labels = FileTable(label_root, [pairs[image] for image in images])
        self._suffix = suffix

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        key = self.key(index)
        return Sample(self._images.read(index, key), self.target(index), key)

    def target(self, index: int) -> RawTarget:
        """Return the JSON object of one annotation file, or the bytes of one mask."""
        key = self.key(index)
        content = self._labels.read(index, key)
        if self._suffix == MASK:
            return content
        try:
            return parse_annotation(content)
        except ValueError as error:
            raise DataError(key, f"{error} (the file changed after it was checked)") from None

    def key(self, index: int) -> str:
        """Return label file with its channel's folder, and image: ``annotations/a.json (a.jpg)``."""
        return f"{self._name}/{self._labels[index]} ({self._images[index]})"

    def path(self, index: int) -> str:
        """Return the path of the image below the image folder."""
        return self._images[index]

    def image_size_px(self, index: int) -> tuple[int, int]:
        """Return (width, height) of one image, from its header."""
        return self._images.image_size_px(index, self.key(index))


class _Pairing:
    """Finds the image of a label file."""

    def __init__(self, images: list[str]) -> None:
        self._images = set(images)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for image in images:
            stem = os.path.splitext(image)[0]
            self._by_stem[stem].append(image)
            self._by_name[os.path.basename(stem)].append(image)

    def find(self, label: str, file: object) -> str | None:
        """Return the path of the image, None if there is none; ValueError if there are several."""
        if file is not None and not isinstance(file, str):
            raise ValueError(f"has file={file!r:.40}, which must be the image's path")
        if file in self._images:
            return file
        stem = os.path.splitext(label)[0]
        candidates = self._by_stem.get(stem) or self._by_name.get(os.path.basename(stem)) or []
        if len(candidates) > 1:
            remedy = "name one of them in its 'file'" if label.lower().endswith(JSON) else "give each its own name"
            raise ValueError(f"could belong to {_first(candidates)}; {remedy}")
        return candidates[0] if candidates else None


def parse_annotation(content: bytes) -> dict[str, Any]:
    """Return the JSON object of an annotation file. ValueError holds half a sentence."""
    try:
        annotation = parse_json(content)
    except ValueError as error:
        raise ValueError(f"is {error}") from None
    if not isinstance(annotation, dict):
        raise ValueError(f"holds a JSON {type(annotation).__name__}, but one object is needed")
    if isinstance(annotation.get("images"), list):
        raise ValueError("looks like one COCO file for all images; make one file for each image of it")
    if not isinstance(annotation.get("annotations"), list):
        raise ValueError(f"has no list 'annotations'; its keys are {', '.join(annotation)[:200]}")
    return annotation


def _add_names(names: ClassNames, annotation: dict[str, Any], where: str) -> list[str]:
    """Add the categories of one file and return sentences about what is wrong with them."""
    categories = annotation.get("categories") or []
    if not isinstance(categories, list):
        return ["has 'categories' that are not a list"]
    found = [
        names.add(category.get("class_id"), category.get("name"), where)
        if isinstance(category, dict)
        else f"has the category {category!r:.40}, which must be an object with class_id and name"
        for category in categories
    ]
    return [problem for problem in found if problem]


def _label_files(root: Path, suffixes: Collection[str]) -> tuple[str, list[str]]:
    """Return the first of ``suffixes`` that files below ``root`` have, and those files. Raises DataError."""
    files = list(walk_files(root))
    for suffix in suffixes:
        found = [path for path in files if path.lower().endswith(suffix)]
        if found:
            return suffix, found
    raise DataError(str(root), f"holds no {' or '.join(suffixes)} files{_other_files(root)}")


def _other_files(root: Path) -> str:
    suffixes = sorted({os.path.splitext(path)[1] for path in walk_files(root)})
    return f"; it holds files ending in {', '.join(suffixes[:5])}" if suffixes else ""


def _first(paths: list[str]) -> str:
    return ", ".join(paths[:SHOWN]) + (", ..." if len(paths) > SHOWN else "")

"""Images with an annotation file each: JSON, SageMaker's image format for object detection."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from vision.data.class_list import find_class_list
from vision.data.problems import Problems, first_names
from vision.data.readers.class_names import ClassNames
from vision.data.readers.file_table import FileTable, foreign_images_problem, is_image_name, walk_files
from vision.data.sample import RawTarget, Sample
from vision.settings.errors import DataError
from vision.settings.strict_json import parse_json

JSON = ".json"


class AnnotationFilesReader:
    """Images below ``image_root`` and annotation files below ``label_root``, which must pair off completely.

    A file belongs to the image that its ``file`` names (relative to ``image_root``); if there is none, to the one
    image of the same path without suffix, or of the same base name. The target is the JSON object as it is. Class
    names are those of the file ``classes``, else gathered from the ``categories`` of all files.
    """

    def __init__(self, image_root: str | Path, label_root: str | Path, classes: Path | None = None) -> None:
        image_root, label_root = Path(image_root), Path(label_root)
        files_below = list(walk_files(image_root))
        images = [path for path in files_below if is_image_name(path)]
        foreign = foreign_images_problem(files_below)
        if foreign:
            raise DataError(str(image_root), foreign)
        if not label_root.is_dir():
            raise DataError(str(label_root), "is no folder; one JSON file for each image must lie there")
        if not images:
            raise DataError(str(image_root), "holds no images")
        labels = _annotation_files(label_root)
        self._name = label_root.name
        files = FileTable(label_root, labels)
        problems, names, pairing = Problems(str(label_root)), ClassNames(), _Pairing(images)
        pairs: dict[str, str] = {}
        lost: list[str] = []
        for index, label in enumerate(labels):
            try:
                content = parse_annotation(files.read(index, label))
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
        if lost:
            problems.add(f"{len(lost)} annotation files have no image below {image_root}: {first_names(lost)}")
        if alone and not broken:
            problems.add(
                f"{len(alone)} images below {image_root} have no annotation file: {first_names(alone)}; remove them, "
                'or give an image without objects a file with "annotations": []'
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

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        key = self.key(index)
        return Sample(self._images.read(index, key), self.target(index), key)

    def target(self, index: int) -> RawTarget:
        """Return the JSON object of one annotation file."""
        key = self.key(index)
        content = self._labels.read(index, key)
        try:
            return parse_annotation(content)
        except ValueError as error:
            raise DataError(key, f"{error} (the file changed after it was checked)") from None

    def key(self, index: int) -> str:
        """Return annotation file with its channel's folder, and image: ``annotations/a.json (a.jpg)``."""
        return f"{self._name}/{self._labels[index]} ({self._images[index]})"

    def path(self, index: int) -> str:
        """Return the path of the image below the image folder."""
        return self._images[index]

    def image_size_px(self, index: int) -> tuple[int, int]:
        """Return (width, height) of one image, from its header."""
        return self._images.image_size_px(index, self.key(index))


class _Pairing:
    """Finds the image of an annotation file."""

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
            raise ValueError(f"could belong to {first_names(candidates)}; name one of them in its 'file'")
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


def _annotation_files(root: Path) -> list[str]:
    files = list(walk_files(root))
    found = [path for path in files if path.lower().endswith(JSON)]
    if found:
        return found
    suffixes = sorted({os.path.splitext(path)[1] for path in files})
    held = f"; it holds files ending in {', '.join(suffixes[:5])}" if suffixes else ""
    raise DataError(str(root), f"holds no {JSON} files{held}")

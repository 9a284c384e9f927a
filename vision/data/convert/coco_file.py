"""The lists of a COCO file: images, annotations and categories, checked for unique ids and names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

from vision.data.class_list import find_class_list
from vision.data.convert.format import SourceOptions
from vision.data.skipped import Skipped
from vision.settings.errors import DataError, UserError
from vision.settings.file_names import strip_blanks
from vision.settings.regular_file import open_regular
from vision.settings.strict_json import parse_json

# As pycocotools takes them.
CocoId: TypeAlias = "int | float | str"

LISTS = ("images", "annotations", "categories")


class CocoFile:
    """``images`` in their order, ``annotations_of`` each by its id, and the class of each category id.

    Ids are numbers or texts, as pycocotools takes them. Raises DataError naming both entries that share an id or,
    of categories, a name.
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self.path = path
        self.images, annotations, categories = _read_lists(path)
        self._notes: list[tuple[str, str]] = []
        self._lost: list[tuple[str, str]] = []
        self._check_images()
        self.annotations_of: dict[CocoId, list[Mapping[str, Any]]] = defaultdict(list)
        known = {image["id"] for image in self.images if isinstance(image, Mapping) and is_id(image.get("id"))}
        used: set[CocoId] = set()
        for number, annotation in enumerate(annotations):
            image_id = annotation.get("image_id") if isinstance(annotation, Mapping) else None
            if is_id(image_id) and image_id in known:
                self.annotations_of[image_id].append(annotation)
                if is_id(annotation.get("category_id")):
                    used.add(annotation["category_id"])
            else:
                reason = f"belongs to no image (image_id {image_id!r:.40})"
                self._lost.append((f"{path.name} annotation {number}", reason))
        named = self._named_categories(categories)
        self.class_names = options.class_names or find_class_list(options.classes, path.parent)
        if self.class_names is None:
            root = _root_of(categories, used)
            if root is not None:
                where = f"{path.name} category {root}"
                remark = f"{named[root]!r} stands above all others and has no boxes: it is not a class"
                self._notes.append((where, remark))
            self.class_names = tuple(name for category_id, name in named.items() if category_id != root)
        ids = {name: class_id for class_id, name in enumerate(self.class_names)}
        unknown = [name for category_id, name in named.items() if name not in ids and category_id in used]
        if unknown:
            raise DataError(
                str(path),
                f"has the category {unknown[0]!r}, which is none of the classes {', '.join(self.class_names)[:200]}: "
                "add it to classes=FILE or classes.txt, with every class in the order of the ids",
            )
        self.class_of = {category_id: ids[name] for category_id, name in named.items() if name in ids}

    def report(self, skipped: Skipped) -> None:
        """Report to ``skipped`` the annotations that belong to no image, and a category that is not a class."""
        for name, reason in self._lost:
            skipped.add(name, reason)
        for name, remark in self._notes:
            skipped.note(name, remark)

    def _check_images(self) -> None:
        first: dict[CocoId, int] = {}
        for number, image in enumerate(self.images):
            if not isinstance(image, Mapping) or not is_id(image.get("id")):
                continue
            before = first.setdefault(image["id"], number)
            if before != number:
                names = [self.images[place].get("file_name") for place in (before, number)]
                raise DataError(
                    str(self.path),
                    f"images {before} ({names[0]}) and {number} ({names[1]}) have the same id {image['id']!r}: give "
                    "every image an id of its own, also in the image_id of its annotations",
                )

    def _named_categories(self, categories: Sequence[Any]) -> dict[CocoId, str]:
        """Return names by category id, in the order of the ids."""
        by_id: dict[CocoId, tuple[int, str]] = {}
        by_name: dict[str, int] = {}
        for number, category in enumerate(categories):
            category_id = category.get("id") if isinstance(category, Mapping) else None
            name = category.get("name") if isinstance(category, Mapping) else None
            name = strip_blanks(str(name)) if is_id(name) else ""
            if not is_id(category_id) or not name:
                raise DataError(str(self.path), f"category {number} has no id or no name: give it both")
            before, other = by_id.setdefault(category_id, (number, name))
            if before != number:
                raise DataError(
                    str(self.path),
                    f"categories {before} ({other!r}) and {number} ({name!r}) have the same id {category_id!r}: give "
                    "every category an id of its own, also in the category_id of its annotations",
                )
            before = by_name.setdefault(name, number)
            if before != number:
                ids = [categories[place]["id"] for place in (before, number)]
                raise DataError(
                    str(self.path),
                    f"categories {before} (id {ids[0]!r}) and {number} (id {ids[1]!r}) have the same name {name!r}: "
                    "use one id for each name, or another name for one of them",
                )
        return {category_id: by_id[category_id][1] for category_id in sorted(by_id, key=_order)}


def coco_files_in(folder: Path) -> list[Path]:
    """Return the .json files of a folder and of its subfolder ``annotations``."""
    return [path for place in (folder, folder / "annotations") for path in sorted(place.glob("*.json"))]


def coco_file_in(folder: Path) -> Path:
    """Return the only COCO file of a folder or its subfolder ``annotations``. Raises UserError otherwise."""
    found = coco_files_in(folder)
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} .json files ({', '.join(path.name for path in found[:3])})" if found else "no .json file"
    raise UserError(f"{folder} holds {what}; a COCO data set is one file: give its path.")


def is_id(value: object) -> TypeGuard[CocoId]:
    """Return whether a JSON value can be an id: a number or a text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return abs(value) < 1 << 63
    return isinstance(value, str)


def _order(category_id: CocoId) -> tuple[bool, float, str]:
    """Return a sort key: numbers and texts of digits by their value, then other texts."""
    is_digits = isinstance(category_id, str) and category_id.isascii() and category_id.isdigit()
    if isinstance(category_id, str) and not is_digits:
        return True, 0.0, category_id
    return False, float(category_id), ""


def _root_of(categories: Sequence[Mapping[str, Any]], used: set[CocoId]) -> CocoId | None:
    """Return the id of a category without boxes above all others, as Roboflow writes one; None if there is none."""
    for category in categories:
        others = [other.get("supercategory") for other in categories if other is not category]
        if category["id"] not in used and others and all(above == category["name"] for above in others):
            found: CocoId = category["id"]
            return found
    return None


def _read_lists(path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    try:
        with open_regular(path) as file:
            document = parse_json(file.read())
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise DataError(str(path), f"is {error}") from None
    lists = [document.get(name) if isinstance(document, dict) else None for name in LISTS]
    if not all(isinstance(found, list) for found in lists):
        raise DataError(str(path), f"is not a COCO file: it needs the lists {', '.join(LISTS)}")
    return lists[0] or [], lists[1] or [], lists[2] or []

"""Class names that a source states piece by piece: the union, and where it contradicts itself."""

from __future__ import annotations

from collections.abc import Sequence

from vision.settings.file_names import name_problem, shown_name

# A class id beyond this is a mistake, and a table of names that long would only use up memory.
MAX_CLASS_ID = 1_000_000
# Names in a message: all of most data sets.
_SHOWN = 40


class ClassNames:
    """Collects (id, name) pairs. ``add`` returns a sentence where a pair contradicts an earlier one."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[str, str]] = {}
        self._by_name: dict[str, tuple[int, str]] = {}

    def add(self, class_id: object, name: object, where: str) -> str | None:
        """Add a name. ``class_id``: a number or its digits, as in a class-map; ``where`` names the line or file."""
        if isinstance(class_id, str) and class_id.isascii() and class_id.isdigit() and len(class_id) < 10:
            class_id = int(class_id)
        if not isinstance(class_id, int) or isinstance(class_id, bool) or not 0 <= class_id <= MAX_CLASS_ID:
            return f"class id {class_id!r:.40} must be a whole number from 0 to {MAX_CLASS_ID}"
        if not isinstance(name, str) or not name.strip():
            return f"class {class_id} has the name {name!r:.40}, which must be text"
        problem = name_problem(name)
        if problem:
            return f"class {class_id} has the name {shown_name(name)}, which {problem}"
        first_name, first_where = self._by_id.setdefault(class_id, (name, where))
        if first_name != name:
            return f"class {class_id} is called {name!r}, but {first_name!r} in {first_where}; use one name for each id"
        first_id, first_where = self._by_name.setdefault(name, (class_id, where))
        if first_id != class_id:
            return f"class {name!r} has the id {class_id}, but {first_id} in {first_where}; use one id for each name"
        return None

    def names(self) -> tuple[str, ...] | None:
        """Return the names by id, None if none was stated; an id without a name has its number as name."""
        if not self._by_id:
            return None
        return tuple(
            self._by_id[class_id][0] if class_id in self._by_id else str(class_id)
            for class_id in range(max(self._by_id) + 1)
        )


def class_name(names: Sequence[str] | None, class_id: int) -> str:
    """Return the name of a class, its number where none is stated."""
    return names[class_id] if names is not None and class_id < len(names) else str(class_id)


def names_problem(first: str, names: Sequence[str], second: str, others: Sequence[str]) -> str | None:
    """Return a sentence where two sources, ``first`` and ``second``, call one class id by different names.

    The second may lack the last classes. A class whose name is its number counts as unnamed.
    """
    differ = len(others) > len(names) and not all(map(_is_number, others, range(len(others))))
    for class_id, (name, other) in enumerate(zip(names, others, strict=False)):
        unnamed = _is_number(name, class_id) or _is_number(other, class_id)
        # A number that stands for another class elsewhere is a name after all.
        moved = name in others or other in names
        differ |= name != other and (moved or not unnamed)
    if not differ:
        return None
    return (
        f"{first} has the classes {_shown(names)}, but {second} has {_shown(others)}: both need the same classes in "
        "the same order, so number the labels of one anew"
    )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")


def _is_number(name: str, class_id: int) -> bool:
    return name.isascii() and name.isdigit() and int(name) == class_id

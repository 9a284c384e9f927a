"""classes.txt: the class names of formats that number them, one a line."""

from __future__ import annotations

from pathlib import Path

from vision.data.readers.class_names import ClassNames
from vision.settings.errors import DataError

NAME = "classes.txt"
_MAX_BYTES = 1 << 24


def read_class_list(path: Path) -> tuple[str, ...]:
    """Names in the order of ids."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(str(path), f"cannot be read as a list of class names ({error})") from None
    names, lines = ClassNames(), text.rstrip("\n").split("\n")
    for class_id, line in enumerate(lines):
        problem = names.add(class_id, line.strip(), f"line {class_id}")
        if problem:
            raise DataError(f"{path} line {class_id + 1}", problem)
    return tuple(line.strip() for line in lines)


def find_class_list(explicit: Path | None, folder: Path) -> tuple[str, ...] | None:
    """Names of the file the user gave, else of a classes.txt in ``folder``, else None."""
    if explicit is not None:
        return read_class_list(explicit)
    beside = folder / NAME
    return read_class_list(beside) if beside.is_file() else None


def write_class_list(folder: Path, names: tuple[str, ...]) -> None:
    """Write ``folder``/classes.txt; an existing one must say the same."""
    path = folder / NAME
    if path.exists() and read_class_list(path) != names:
        raise DataError(str(path), "names other classes: give an output in another folder")
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")

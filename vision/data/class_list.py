"""Class names by id from a file beside the data: classes.txt, obj.names or data.yaml."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path

import yaml

from vision.data.readers.class_names import ClassNames
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder
from vision.settings.errors import DataError
from vision.settings.file_names import BLANKS, line_problem, shown_name, strip_blanks
from vision.settings.regular_file import open_regular_text

NAME = "classes.txt"
# What labelling tools for YOLO write: Ultralytics and Roboflow, CVAT and Darknet, Roboflow's Darknet, LabelImg.
YOLO_LISTS = ("*.yaml", "*.yml", "*.names", "_darknet.labels", NAME)
_YAML = (".yaml", ".yml")
_MAX_BYTES = 1 << 24
_MAX_YAML_BYTES = 1 << 18


def read_class_list(path: Path) -> tuple[str, ...]:
    """Return the names by id of a file with one on each line or a YAML file with ``names``. Raises DataError."""
    if path.suffix.lower() in _YAML:
        found = _read_yaml(path)
        if found is None:
            raise DataError(str(path), "has no names: it needs a list or a mapping of ids under the key names")
        return found
    text = _text_of(path, _MAX_BYTES)
    return _checked(path, [(str(line), name) for line, name in enumerate(text.rstrip(BLANKS).split("\n"))], "line")


def find_class_list(
    explicit: Path | None,
    *folders: Path,
    above: Path | None = None,
    stated: Sequence[str] | None = None,
    stated_by: str = "the data",
    patterns: Sequence[str] = (NAME,),
) -> tuple[str, ...] | None:
    """Return the names by id of the file ``explicit``, else of the first folder that has a list, else ``stated``.

    ``stated`` are those that the data state themselves, where an id without a name has its number as name; a list
    beside them may name more classes, but none otherwise. ``above``, the last folder, holds the data's folder and
    perhaps other data: a list there that says otherwise is theirs. Raises DataError naming both where two of these
    disagree.
    """
    if explicit is not None:
        return read_class_list(explicit)
    for folder in (*folders, *([] if above is None else [above])):
        found = _lists_in(folder, patterns)
        if found:
            (first, names), *others = found.items()
            for path, other in others:
                if other != names:
                    raise DataError(str(path), _disagree(other, names, str(first)))
            if stated is not None and not _fits(stated, names):
                if folder == above:
                    break
                raise DataError(
                    str(first),
                    f"names the classes {_shown(names)}, but {stated_by} {_shown(stated)}: correct one of them, or "
                    "move this list to another folder if it is about other data (vision convert and split take "
                    "classes=FILE in its place)",
                )
            return names
    return None if stated is None else tuple(stated)


def check_fit(where: str, names: Sequence[str] | None, trained: Sequence[str]) -> None:
    """Raise DataError where the names of data that go by id are not those of training."""
    if names is not None and not _fits(names, trained):
        raise DataError(where, f"has the classes {_shown(names)}, but training {_shown(trained)}: the ids differ")


def check_class_list(folder: Path, names: Sequence[str]) -> None:
    """Raise DataError where ``folder``/classes.txt cannot hold the names, or exists and says otherwise."""
    path = folder / NAME
    for name in names:
        problem = line_problem(name)
        if problem:
            raise DataError(str(path), f"cannot name the class {shown_name(name)}, which {problem}")
    if path.exists() and read_class_list(path) != tuple(names):
        raise DataError(str(path), f"{_disagree(read_class_list(path), names, 'the data')}, or another output")


def write_class_list(folder: Path, names: Sequence[str]) -> None:
    """Write ``folder``/classes.txt; an existing one must say the same. Raises DataError."""
    check_class_list(folder, names)
    make_folder(folder)
    write_whole(folder / NAME, "".join(f"{name}\n" for name in names).encode())


def _lists_in(folder: Path, patterns: Sequence[str]) -> dict[Path, tuple[str, ...]]:
    """Return the names of every list in a folder; YAML files without ``names`` are not lists."""
    try:
        files = sorted(path for path in folder.iterdir() if any(fnmatch.fnmatch(path.name, p) for p in patterns))
    except OSError:
        return {}
    found = {}
    for path in files:
        # An empty one names nothing.
        if path.is_file() and path.stat().st_size:
            names = _read_yaml(path) if path.suffix.lower() in _YAML else read_class_list(path)
            if names is not None:
                found[path] = names
    return found


def _read_yaml(path: Path) -> tuple[str, ...] | None:
    """Return ``names`` of a YAML file as written (``no`` and ``007`` stay text); None if it has none."""
    text = _text_of(path, _MAX_YAML_BYTES)
    try:
        # Only the tree of nodes is built: no tag is obeyed, and what is referred to twice is not copied.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(str(path), f"is not YAML: {reason:.200}") from None
    keys = _pairs_of(root) if isinstance(root, yaml.MappingNode) else []
    named = [node for key, node in keys if key == "names"]
    if not named:
        return None
    if isinstance(named[0], yaml.SequenceNode):
        entries = [(str(place), _scalar(node)) for place, node in enumerate(named[0].value)]
    elif isinstance(named[0], yaml.MappingNode):
        entries = [(key, _scalar(node)) for key, node in _pairs_of(named[0])]
    else:
        raise DataError(str(path), "has names that are neither a list nor a mapping of ids to names")
    names = _checked(path, entries, "names")
    count = next((_scalar(node) for key, node in keys if key == "nc"), None)
    if count is not None and count != str(len(names)):
        raise DataError(str(path), f"has nc: {count:.20}, but {len(names)} names: correct one of the two")
    return names


def _pairs_of(node: yaml.MappingNode) -> list[tuple[str, yaml.Node]]:
    return [(_scalar(key), value) for key, value in node.value]


def _scalar(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _checked(path: Path, entries: Sequence[tuple[str, str]], what: str) -> tuple[str, ...]:
    """Return the names of (id, name) pairs. Raises DataError if two contradict each other."""
    names, seen = ClassNames(), set[str]()
    for place, (class_id, name) in enumerate(entries, 1):
        problem = names.add(class_id, strip_blanks(name), f"{what} {place}")
        if problem is None and class_id in seen:
            problem = f"class {class_id} is named twice"
        if problem:
            raise DataError(f"{path} {what} {place}", problem)
        seen.add(class_id)
    found = names.names()
    if found is None:
        raise DataError(str(path), "names no class")
    return found


def _text_of(path: Path, most: int) -> str:
    try:
        with open_regular_text(path) as file:
            text = file.read(most + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(str(path), f"cannot be read as a list of class names ({error})") from None
    if len(text) > most:
        raise DataError(str(path), f"has more than {most} characters, the most that a list of class names may have")
    return text


def _fits(stated: Sequence[str], names: Sequence[str]) -> bool:
    pairs = zip(stated, names, strict=False)
    return len(stated) <= len(names) and all(name in (other, str(i)) for i, (name, other) in enumerate(pairs))


def _disagree(names: Sequence[str], others: Sequence[str], where: str) -> str:
    return (
        f"names the classes {_shown(names)}, but {where} {_shown(others)}: correct or remove it, or give classes=FILE "
        "with every class in the order of the ids"
    )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")

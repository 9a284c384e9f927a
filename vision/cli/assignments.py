"""The ``name=value`` words of a command line as plain texts, for verbs without config files."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vision import algorithms
from vision.settings.counted import counted
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.nearest import did_you_mean, plain, shown
from vision.settings.run import RunSettings


@dataclass(frozen=True)
class Assignments:
    """The words of a command line: ``names`` are plain settings, ``sections`` dotted ones, ``files`` the rest."""

    names: dict[str, str] = field(default_factory=dict)
    sections: dict[str, dict[str, object]] = field(default_factory=dict)
    files: tuple[str, ...] = ()


def read_assignments(
    argv: Sequence[str], names: Sequence[str], sections: Sequence[str], allow_files: bool = False
) -> Assignments:
    """Sort the words of a command line. Raises SettingsError with a sentence for every unknown one.

    With ``allow_files``, a word that names files and is not a known setting stands for these files: ``draft=1.jpg``.
    """
    problems: list[str] = []
    given = Assignments(sections={section: {} for section in sections})
    files: list[str] = []
    known, forms = [*names, *_full_names(sections)], [*(f"{section}.NAME" for section in sections), *names]
    waiting = iter(itertools.zip_longest(argv, argv[1:]))
    for word, following in waiting:
        name, equals, value = word.partition("=")
        section, dot, rest = name.partition(".")
        if (meant := meant_by_option(word, following, known)) is not None:
            problems.append(f"Option {shown(name)} is written as a setting: {meant}")
            if not equals and is_value(following):
                next(waiting)
        elif allow_files and not (equals and name in known) and _names_files(word):
            files.append(word)
        elif equals and dot and section in sections:
            put(given.sections[section], rest, value)
        elif equals and name in names:
            given.names[name] = value
        elif word.startswith("-") or (equals and name.replace(".", "_").isidentifier()):
            problems.append(f"Setting {shown(name)} is unknown: {did_you_mean(name, known)}")
        elif allow_files:
            files.append(word)
        else:
            problems.append(f"Argument {shown(word)} is no setting: write name=value, with {', '.join(forms)}.")
    if problems:
        raise SettingsError(problems)
    return Assignments(given.names, given.sections, tuple(files))


def fill_places(given: Assignments, places: Sequence[str], *, takes_more: bool = False) -> Assignments:
    """Return the words with their paths as values of ``places``, in this order, passing over those that have one.

    Raises SettingsError for paths too many, unless the verb ``takes_more``.
    """
    free = [name for name in places if name not in given.names]
    left = given.files[len(free) :]
    if left and not takes_more:
        paths = f"up to {counted(len(places), 'path')} ({', '.join(places)})"
        raise SettingsError([f"Argument {shown(left[0])} is one too many: this verb takes {paths}, and name=value."])
    return Assignments({**given.names, **dict(zip(free, given.files, strict=False))}, given.sections, left)


def meant_by_option(word: str, following: str | None, known: Sequence[str]) -> str | None:
    """Return the setting that an option such as ``--epochs 3`` stands for, by its full name; None if there is none.

    ``following`` is the next word, which may be its value.
    """
    name, equals, value = word.lstrip("-").partition("=")
    by_name = {plain(full.rpartition(".")[2]): full for full in reversed(known)}
    if not word.startswith("--") or (full := by_name.get(plain(name))) is None:
        return None
    return f"{full}={value if equals else following if is_value(following) else 'VALUE'}"


def is_value(word: str | None) -> bool:
    """Return whether a word behind an option can be its value, as it is neither an option nor a setting."""
    return word is not None and not word.startswith("-") and "=" not in word


def _names_files(word: str) -> bool:
    """Return whether a file or folder has this name, or the word is a pattern that matches one."""
    return os.path.lexists(local_path(word)) or bool(glob.has_magic(word) and glob.glob(word, recursive=True))


def put(section: dict[str, object], name: str, value: str) -> None:
    """Set ``a.b`` of nested mappings. A channel's path and its keys may come in any order."""
    first, dot, key = name.partition(".")
    before = section.get(first)
    if dot:
        section[first] = {**(before if isinstance(before, Mapping) else {"path": before}), key: value}
    elif isinstance(before, Mapping):
        section[first] = {**before, "path": value}
    else:
        section[first] = value


def _full_names(sections: Sequence[str]) -> list[str]:
    """Return the full names of the settings in the sections, to find the one that a user may have meant."""
    known = {"run": list(RunSettings.model_fields), "channels": list(algorithms.channel_names())}
    return [f"{section}.{name}" for section in sections for name in known.get(section, [])]

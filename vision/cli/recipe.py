"""``vision train PATH``: make the words of a whole job out of a path, a recipe and a look at the data."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from vision.cli.assignments import put
from vision.cli.composition import RECIPE, config_folders, config_groups
from vision.cli.job import check_settings
from vision.cli.overrides import FLAGS_WITH_VALUE, plain_settings, read_overrides
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path

_INDENT = "    "


def with_recipe(argv: Sequence[str], verb: str = "train") -> list[str]:
    """Return the words of a command line with a path or a recipe in place of it written out; others as they are.

    What was found and chosen is printed on stderr, as a command that does the same. Raises UserError.
    """
    words = _Words.of(argv)
    if not words.paths and words.recipe is None:
        return list(argv)
    # Nothing is shown for words that are refused in the end, for their names here and for their values below.
    overrides = read_overrides(words.rest, config_groups(words.rest))
    if overrides.problems:
        raise SettingsError(overrides.problems)
    from vision.recipes.proposal import Wish, propose

    given = words.settings()
    experiment = "sagemaker" if given.get("experiment") else None
    recipe, folders = words.recipe, [folder / RECIPE for folder in config_folders(words.rest)]
    if recipe is not None and recipe.endswith((".yaml", ".yml")):
        file = local_path(recipe)
        recipe, folders = file.stem, [file.parent]
    wish = Wish(words.paths, words.channels(), given, recipe or experiment, given.get("algorithm"))
    proposal = propose(wish, folders)
    channels = {f"channels.{name}": path for name, path in proposal.channels.items()}
    values = {"algorithm": proposal.algorithm, **channels, **proposal.settings}
    made = [f"{name}={value}" for name, value in values.items() if name not in given]
    settings = None if verb == "sweep" or overrides.flags else plain_settings([*made, *words.rest])
    if settings is not None:
        check_settings(settings)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        proposal.print_sentences()
        command = _command(["vision", verb, *made, *words.rest])
        print(f"vision: the same in full:\n{command}", file=sys.stderr, flush=True)
    return [*made, *words.rest]


@dataclass(frozen=True)
class _Words:
    """The words of a command line: ``paths``, the name of a ``recipe``, and the ``rest``, flags included."""

    paths: tuple[str, ...]
    recipe: str | None
    rest: tuple[str, ...]

    @classmethod
    def of(cls, argv: Sequence[str]) -> _Words:
        paths: list[str] = []
        rest: list[str] = []
        recipe = None
        for place, word in enumerate(argv):
            name, equals, value = word.partition("=")
            if name == RECIPE and equals:
                recipe = value
            elif word.startswith("-") or (place and argv[place - 1] in FLAGS_WITH_VALUE) or not _is_path(word):
                rest.append(word)
            else:
                paths.append(word)
        return cls(tuple(paths), recipe, tuple(rest))

    def settings(self) -> dict[str, str]:
        """Return the values of the settings among the words, by full names."""
        pairs = (word.partition("=") for word in self.rest)
        return {name.lstrip("+"): value for name, equals, value in pairs if equals}

    def channels(self) -> dict[str, object]:
        """Return what the words say of channels."""
        values: dict[str, object] = {}
        for name, value in self.settings().items():
            if name.startswith("channels."):
                put(values, name.removeprefix("channels."), value)
        return values


def _is_path(word: str) -> bool:
    """Return whether a word is a path: one without a name before "=", or one that exists as it is."""
    name, equals, _ = word.partition("=")
    is_setting = equals and name.lstrip("+~").replace(".", "_").isidentifier()
    return not is_setting and os.path.exists(local_path(word))


def _command(words: Sequence[str]) -> str:
    """Return the words as a command of several lines that a shell takes."""
    lines = [""]
    for word in map(shlex.quote, words):
        if lines[-1].strip() and len(lines[-1]) + len(word) > 76:
            lines.append(_INDENT)
        lines[-1] += word if not lines[-1].strip() else f" {word}"
    return " \\\n".join(lines)

"""``vision train PATH``: make the words of a whole job out of a path, a recipe and a look at the data."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vision import algorithms
from vision.cli.assignments import put
from vision.cli.composition import RECIPE, config_folders, config_groups
from vision.cli.overrides import FLAGS_WITH_VALUE, read_overrides
from vision.settings.channels import parse_channels
from vision.settings.counted import counted
from vision.settings.device import this_machine
from vision.settings.errors import SettingsError, UserError
from vision.settings.file_names import local_path
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.data.look import DataLook
    from vision.recipes.data_finder import FoundData
    from vision.recipes.recipe import Choice

SHARE = "0.2"
# An accuracy measured on this many images may be off by ten points and more.
_FEW = 60
_INDENT = "    "


def with_recipe(argv: Sequence[str], verb: str = "train") -> list[str]:
    """Return the words of a command line with a path or a recipe in place of it written out; others as they are.

    What was found and chosen is printed on stderr, as a command that does the same. Raises UserError.
    """
    words = _Words.of(argv)
    if not words.paths and words.recipe is None:
        return list(argv)
    # Nothing is shown for words that are refused in the end.
    problems = read_overrides(words.rest, config_groups(words.rest)).problems
    if problems:
        raise SettingsError(problems)
    algorithm = words.value("algorithm")
    recipe = words.recipe or ("sagemaker" if algorithm or words.value("experiment") else "auto")
    found = _channels(words)
    made = _job_words(words, found, recipe, algorithm, verb)
    names = {_name(word) for word in words.rest}
    return [*(word for word in made if _name(word) not in names), *words.rest]


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

    def value(self, name: str) -> str | None:
        """Return the value of a plain setting among the words; None if it is not given."""
        return next((word.partition("=")[2] for word in reversed(self.rest) if _name(word) == name), None)

    def channels(self, found: Mapping[str, Path]) -> dict[str, object]:
        """Return the values of the channels: those that were found, and what the words say of them."""
        values: dict[str, object] = {name: str(path) for name, path in found.items()}
        for word in self.rest:
            name, equals, value = word.partition("=")
            if equals and name.startswith("channels."):
                put(values, name.removeprefix("channels."), value)
        return values


def _name(word: str) -> str:
    return word.partition("=")[0].lstrip("+")


def _is_path(word: str) -> bool:
    """Return whether a word is a path: one without a name before "=", or one that exists as it is."""
    name, equals, _ = word.partition("=")
    is_setting = equals and name.lstrip("+~").replace(".", "_").isidentifier()
    return not is_setting and os.path.exists(local_path(word))


def _channels(words: _Words) -> FoundData:
    """Return the channels of the paths, else those that the words name."""
    from vision.recipes.data_finder import FoundData, find_channels

    if words.paths:
        return find_channels(list(map(local_path, words.paths)))
    located = parse_channels(words.channels({}), ("train",), algorithms.channel_names())
    return FoundData({name: channel.path for name, channel in located.items()})


def _job_words(words: _Words, found: FoundData, recipe: str, algorithm: str | None, verb: str) -> list[str]:
    from vision.data.look import look_at
    from vision.data.readers.open import open_channel
    from vision.recipes.recipe import choose

    paths = found.channels if words.paths else {}
    located = parse_channels(words.channels(paths), ("train",), algorithms.channel_names())
    suffixes = () if algorithm is None else algorithms.facts_of(algorithm).label_suffixes("train")
    look = look_at(open_channel(located, "train", label_suffixes=suffixes))
    if look is None:
        raise UserError(f"{located['train'].path}: no label can be read, so that nothing can be chosen by them")
    if look.task == "single" and look.num_classes == 1:
        name = f" ({look.class_names[0]})" if look.class_names else ""
        raise UserError(
            f"{located['train'].path} holds one class{name}, but a classifier tells at least two apart: put images that"
            " show something else into a second folder beside it"
        )
    folders = [folder / RECIPE for folder in config_folders(words.rest)]
    run = RunSettings.parse({"weights_folder": words.value("run.weights_folder") or RunSettings().weights_folder})
    machine = this_machine(words.value("run.device") or "auto", run.weights_folder)
    choice = choose(look, machine, recipe, folders, algorithm)
    channels = {f"channels.{name}": str(path) for name, path in paths.items()}
    holds_out = "validation" not in located and not words.value("run.folds")
    share = {"run.validation_share": SHARE} if holds_out else {}
    settings = {one.setting: one.value for one in choice.settings}
    made = [
        f"{name}={value}" for name, value in {"algorithm": choice.algorithm, **channels, **share, **settings}.items()
    ]
    if os.environ.get("LOCAL_RANK", "0") == "0":
        _show(words, found, look, choice, made, recipe, verb)
    return made


def _show(
    words: _Words, found: FoundData, look: DataLook, choice: Choice, made: Sequence[str], recipe: str, verb: str
) -> None:
    """Print what was found, what was chosen and why, how long it may take, and the command that says it all."""
    names = {_name(word) for word in words.rest}
    lines = [_holds(words, found, look), *found.notes]
    shown = {one.setting: one for one in choice.settings if one.setting not in names}
    planned = [one for one in choice.plan.settings if shown.get(one.setting) is one]
    if shown:
        lines.append(f"recipe {recipe} chooses (words of yours stand above it):")
        width = max((len(f"{one.setting}={one.value}") for one in planned), default=0)
        lines += [f"  {f'{one.setting}={one.value}':<{width}}  {one.reason}" for one in planned]
        fixed = [f"{name}={one.value}" for name, one in shown.items() if one not in planned]
        lines += [f"  always: {' '.join(fixed)}"] if fixed else []
    time = _time_text(words, look, choice)
    lines += [*([time] if time else []), *choice.plan.advice]
    held_out = max(round(look.num_images * float(SHARE)), 1)
    if f"run.validation_share={SHARE}" in made and held_out < _FEW:
        lines.append(
            f"a fifth of the images, about {held_out}, says little of a model: run.folds=5 trains five times and"
            " measures on every image"
        )
    if found.test is not None:
        lines.append(f"{found.test} is left for the end: vision evaluate RUN channels.validation={found.test}")
    command = [word for word in made if _name(word) not in names]
    for line in lines:
        print(_wrapped(line if line.startswith("  ") else f"vision: {line}"), file=sys.stderr)
    print(
        f"vision: the same in full:\n{_command(['vision', verb, *command, *words.rest])}", file=sys.stderr, flush=True
    )


def _wrapped(line: str) -> str:
    """Return the line in the width of the terminal."""
    width = shutil.get_terminal_size().columns
    return textwrap.fill(line, width, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False)


def _holds(words: _Words, found: FoundData, look: DataLook) -> str:
    where = words.paths[0] if words.paths else str(found.channels["train"])
    classes = f" of {counted(look.num_classes, 'class')}" if look.num_classes else ""
    names = (
        f" ({', '.join(look.class_names[:5])}{', ...' if len(look.class_names) > 5 else ''})"
        if look.class_names
        else ""
    )
    width, height = look.median_px
    part = "" if "validation" not in found.channels else f"; validation is {found.channels['validation']}"
    images = counted(look.num_images, "image")
    return f"{where}: {images}{classes}{names}, half of them at most {width}x{height} pixels{part}"


def _time_text(words: _Words, look: DataLook, choice: Choice) -> str | None:
    """Return a sentence on how long training may take; None where that is not known."""
    chosen = next((one.value for one in choice.settings if one.setting == "hp.epochs"), None)
    epochs = words.value("hp.epochs") or chosen
    if not choice.plan.gflops_per_image or epochs is None or not epochs.isdecimal():
        return None
    machine = this_machine(words.value("run.device") or "auto")
    seconds = int(epochs) * look.num_images / machine.images_per_s(choice.plan.gflops_per_image)
    minutes = round(seconds / 60)
    text = "a minute" if minutes < 2 else f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
    return f"training takes very roughly {text} on {'a GPU' if machine.has_gpu else f'{machine.cores} cores'}"


def _command(words: Sequence[str]) -> str:
    """Return the words as a command of several lines that a shell takes."""
    lines = [""]
    for word in map(shlex.quote, words):
        if lines[-1].strip() and len(lines[-1]) + len(word) > 76:
            lines.append(_INDENT)
        lines[-1] += word if not lines[-1].strip() else f" {word}"
    return " \\\n".join(lines)

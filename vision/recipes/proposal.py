"""The training that a recipe proposes for some data: what they hold, what is chosen and why, and the job of it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vision import algorithms
from vision.data.look import DataLook, look_at
from vision.data.readers.open import open_channel
from vision.data.stratification import usual_folds
from vision.recipes.data_finder import FoundData, find_channels
from vision.recipes.recipe import AUTO, SAGEMAKER, Choice, choose
from vision.settings.channels import parse_channels
from vision.settings.counted import counted
from vision.settings.device import Machine, this_machine
from vision.settings.errors import UserError
from vision.settings.file_names import local_path
from vision.settings.run import RunSettings

SHARE = "0.2"
# An accuracy measured on this many images may be off by ten points and more.
_FEW = 60
_INDENT = "    "


@dataclass(frozen=True)
class Wish:
    """What a user says of a training: ``paths`` of data or ``channels``, and settings by full names (hp.epochs).

    Without a ``recipe`` it is ``auto`` where no algorithm is named, else the documented defaults.
    """

    paths: Sequence[str]
    channels: Mapping[str, object]
    settings: Mapping[str, object]
    recipe: str | None = None
    algorithm: str | None = None

    @property
    def recipe_name(self) -> str:
        """The recipe that is meant."""
        return self.recipe or (SAGEMAKER if self.algorithm else AUTO)


@dataclass(frozen=True)
class Proposal:
    """A proposed training.

    ``settings`` are those that the user left open, by full names, as texts; ``channels`` those of a path.
    """

    wish: Wish
    found: FoundData
    look: DataLook
    choice: Choice
    machine: Machine
    channels: Mapping[str, str]
    settings: Mapping[str, str]

    @property
    def algorithm(self) -> str:
        """The name of the algorithm, with underscores."""
        return self.choice.algorithm

    def sentences(self) -> list[str]:
        """Return what was found, what was chosen and why, and how long it may take; indented lines belong together."""
        lines = [self._holds(), *self.found.notes]
        shown = {one.setting: one for one in self.choice.settings if one.setting in self.settings}
        planned = [one for one in self.choice.plan.settings if shown.get(one.setting) is one]
        if shown:
            lines.append(f"recipe {self.wish.recipe_name} chooses (what you give stands above it):")
            width = max((len(f"{one.setting}={one.value}") for one in planned), default=0)
            lines += [f"  {f'{one.setting}={one.value}':<{width}}  {one.reason}" for one in planned]
            fixed = [f"{name}={one.value}" for name, one in shown.items() if one not in planned]
            lines += [f"  always: {' '.join(fixed)}"] if fixed else []
        time = self._time_text()
        lines += [*([time] if time else []), *self.choice.plan.advice]
        held_out = max(round(self.look.num_images * float(SHARE)), 1)
        if "run.validation_share" in self.settings and held_out < _FEW:
            folds = usual_folds(self.look.num_images)
            lines.append(
                f"a fifth of the images, about {held_out}, says little of a model: run.folds={folds} trains {folds} "
                "times and measures on every image"
            )
        if self.found.test is not None:
            lines.append(
                f"{self.found.test} is left for the end: vision evaluate RUN channels.validation={self.found.test}"
            )
        return lines

    def print_sentences(self) -> None:
        """Print the sentences on stderr, in the width of the terminal."""
        for line in self.sentences():
            print(_wrapped(line if line.startswith("  ") else f"vision: {line}"), file=sys.stderr)

    def _holds(self) -> str:
        look, channels = self.look, self.found.channels
        where = self.wish.paths[0] if self.wish.paths else channels["train"]
        classes = f" of {counted(look.num_classes, 'class')}" if look.num_classes else ""
        names = ", ".join([*(look.class_names or ())[:5], *(["..."] if len(look.class_names or ()) > 5 else [])])
        images = f"{counted(look.num_images, 'image')}{classes}{f' ({names})' if names else ''}"
        width, height = look.median_px
        part = f"; validation is {channels['validation']}" if "validation" in channels else ""
        return f"{where}: {images}, half of them at most {width}x{height} pixels{part}"

    def _time_text(self) -> str | None:
        """Return a sentence on how long training may take; None where that is not known."""
        epochs = str(self.wish.settings.get("hp.epochs") or self.settings.get("hp.epochs"))
        if not self.choice.plan.gflops_per_image or not epochs.isdecimal():
            return None
        images_per_s = self.machine.images_per_s(self.choice.plan.gflops_per_image)
        minutes = round(int(epochs) * self.look.num_images / images_per_s / 60)
        text = "a minute" if minutes < 2 else f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
        place = "a GPU" if self.machine.has_gpu else f"{self.machine.cores} cores"
        return f"training takes very roughly {text} on {place}"


def propose(wish: Wish, folders: Sequence[Path]) -> Proposal:
    """Look at the data and return what the recipe, a file of one of ``folders``, makes of them. Raises UserError."""
    paths = find_channels(list(map(local_path, wish.paths))) if wish.paths else None
    located = parse_channels(
        {**({} if paths is None else paths.channels), **wish.channels}, ("train",), algorithms.channel_names()
    )
    found = paths or FoundData({name: channel.path for name, channel in located.items()})
    suffixes = () if wish.algorithm is None else algorithms.facts_of(wish.algorithm).label_suffixes("train")
    look = look_at(open_channel(located, "train", label_suffixes=suffixes))
    if look is None:
        raise UserError(f"{located['train'].path}: no label can be read, so that nothing can be chosen by them")
    if look.task == "single" and look.num_classes == 1:
        name = f" ({look.class_names[0]})" if look.class_names else ""
        raise UserError(
            f"{located['train'].path} holds one class{name}, but a classifier tells at least two apart: put images that"
            " show something else into a second folder beside it"
        )
    given = {name: value for name, value in wish.settings.items() if value is not None}
    run = RunSettings.parse({"weights_folder": given.get("run.weights_folder") or RunSettings().weights_folder})
    machine = this_machine(str(given.get("run.device") or "auto"), run.weights_folder)
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name, value in given.items()
    }
    choice = choose(look, machine, wish.recipe_name, folders, wish.algorithm, texts)
    holds_out = "validation" not in located and not given.get("run.folds")
    share = {"run.validation_share": SHARE} if holds_out else {}
    made = {**share, **{one.setting: one.value for one in choice.settings}}
    return Proposal(
        wish,
        found,
        look,
        choice,
        machine,
        {} if paths is None else {name: str(path) for name, path in paths.channels.items()},
        {name: value for name, value in made.items() if name not in wish.settings},
    )


def _wrapped(line: str) -> str:
    width = shutil.get_terminal_size().columns
    return textwrap.fill(line, width, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False)

"""The words of ``vision sweep``: what all trials share, what the sweep varies, and the sweep's own settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vision import algorithms
from vision.cli.composition import compose_settings, config_groups
from vision.cli.overrides import Settings, is_hydra_value, read_overrides
from vision.settings.config_folder import config_folder
from vision.settings.errors import SettingsError, UserError
from vision.settings.nearest import did_you_mean, shown
from vision.settings.regular_file import open_regular_text
from vision.sweeps.settings import SweepSettings
from vision.sweeps.space import documented_space, is_range, write_range

LONGEST_SPACE_FILE = 1_000_000
PREFIX = "sweep."


@dataclass(frozen=True)
class SweepWords:
    """The sorted words of a command line.

    ``fixed`` are passed to every trial unchanged, ``varied`` are ranges by hyperparameter, ``sweep`` the sweep's own
    settings by name. ``file`` names the shipped file of ranges that was chosen.
    """

    fixed: tuple[str, ...]
    varied: dict[str, str]
    sweep: dict[str, str]
    file: str | None

    def compose(self) -> Settings:
        """Return the settings that all trials share, as ``vision train`` reads them. Raises SettingsError."""
        overrides = read_overrides(self.fixed, config_groups())
        if overrides.problems:
            raise SettingsError(overrides.problems)
        return compose_settings(overrides, self.fixed)

    def ranges(self, own_file: Path | None) -> dict[str, str]:
        """Return all ranges by hyperparameter; those of the command line override those of files."""
        found: dict[str, str] = {}
        if self.file is not None:
            found |= read_space_file(config_folder() / "sweep" / f"{self.file}.yaml")
        if own_file is not None:
            found |= read_space_file(own_file)
        return {**found, **self.varied}


def read_sweep_words(argv: Sequence[str]) -> SweepWords:
    """Sort the words of a command line. Raises SettingsError with a sentence for every unknown one."""
    fixed, problems = [], []
    varied: dict[str, str] = {}
    sweep: dict[str, str] = {}
    file = None
    lists = _list_settings()
    for word in argv:
        name, equals, value = word.partition("=")
        if name.startswith("-"):
            problems.append(f"Option {shown(name)} is unknown: {did_you_mean(name, ('--help', '--space'))}")
        elif name.startswith(PREFIX) and equals:
            sweep[name.removeprefix(PREFIX)] = value
        elif name.startswith("hp.") and equals and _varies(name, value, lists):
            varied[name.removeprefix("hp.")] = value
        else:
            file = value if name == "sweep" else file
            fixed.append(word)
    try:
        SweepSettings.parse(sweep)
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    return SweepWords(tuple(fixed), varied, sweep, file)


def read_space_file(path: Path) -> dict[str, str]:
    """Read the ranges by hyperparameter from a YAML file in the form of Hydra's sweepers. Raises UserError."""
    import yaml

    try:
        if path.stat().st_size > LONGEST_SPACE_FILE:
            raise UserError(f"{path} is too large for a file of ranges: give one like those in configs/sweep")
        with open_regular_text(path) as given:
            document = yaml.safe_load(given.read())
        params = document["hydra"]["sweeper"]["params"]
        found = {str(name).lstrip("+").partition("hp.")[2]: str(text) for name, text in params.items()}
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give a file like those in configs/sweep") from error
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} holds no ranges: write them below hydra: sweeper: params:, as the files in configs/sweep do"
        ) from error
    if not found or "" in found:
        raise UserError(f"{path} must name hyperparameters, each as ++hp.NAME: RANGE, below hydra: sweeper: params:")
    return found


def space_file_text(argv: Sequence[str]) -> str:
    """Return the documented search space of an algorithm as a YAML file that this sweep and Hydra's both read."""
    words = dict(word.partition("=")[::2] for word in argv)
    unknown = set(words) - {"algorithm", "hp.optimizer"}
    if unknown or "algorithm" not in words:
        raise UserError("vision sweep --space takes algorithm=NAME and, to vary the others only, hp.optimizer=NAME")
    name, optimizer = algorithms.full_name(words["algorithm"]), words.get("hp.optimizer")
    table = algorithms.facts_of(name).hyperparameters
    choices = tuple(map(str, table.forms()["optimizer"].choices))
    if optimizer is not None and optimizer not in choices:
        raise SettingsError([f"Hyperparameter optimizer is {shown(optimizer)}: {did_you_mean(optimizer, choices)}"])
    space = documented_space(name, optimizer)
    lines = [
        "# @package _global_",
        f"# What SageMaker documents for tuning {name}{f' with {optimizer}' if optimizer else ''}. Written by",
        f"# vision sweep --space {' '.join(argv)}",
    ]
    if optimizer is not None:
        lines += ["hp:", f"  optimizer: {optimizer}"]
    lines += ["hydra:", "  sweeper:", "    params:"]
    lines += [f"      ++hp.{key}: {write_range(values)}" for key, values in space.dimensions.items()]
    return "\n".join(lines) + "\n"


def _varies(name: str, value: str, lists: frozenset[str]) -> bool:
    if is_hydra_value(value):
        return False
    return is_range(value) or ("," in value and name.removeprefix("hp.") not in lists)


def _list_settings() -> frozenset[str]:
    """Return the hyperparameters whose single value has commas."""
    forms = [facts.hyperparameters.forms() for facts in algorithms.all_facts()]
    kinds = ("integers", "shape", "names")
    return frozenset(name for table in forms for name, form in table.items() if form.kind in kinds)

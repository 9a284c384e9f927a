"""Recipes: the values with which training begins where the user states none, from YAML files and a look at the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml

from vision import algorithms
from vision.algorithms.facts import AlgorithmFacts
from vision.algorithms.plan import Plan, Recommendation
from vision.data.labels import TASK_NAMES
from vision.data.look import DataLook
from vision.settings.device import Machine
from vision.settings.errors import SettingsError, UserError
from vision.settings.nearest import did_you_mean, shown
from vision.settings.regular_file import open_regular_text

AUTO, SAGEMAKER = "auto", "sagemaker"
# The parts of a recipe for one algorithm: for all trainings, or for those that begin so.
_ALWAYS, _PRETRAINED, _SCRATCH = "always", "pretrained", "scratch"
_SECTIONS = ("hp", "run")


@dataclass(frozen=True)
class Choice:
    """An algorithm and settings for some data, by their full names, each with the reason in words."""

    algorithm: str
    settings: tuple[Recommendation, ...]
    plan: Plan


def recipe_names(folders: Iterable[Path]) -> tuple[str, ...]:
    """Return the names of all recipes: those of files, and that of the documented defaults."""
    return tuple(sorted({SAGEMAKER, *(path.stem for folder in folders for path in folder.glob("*.yaml"))}))


def choose(
    look: DataLook,
    machine: Machine,
    recipe: str,
    folders: Sequence[Path],
    algorithm: str | None = None,
    given: Mapping[str, str] = MappingProxyType({}),
) -> Choice:
    """Return what a recipe makes of some data. Raises UserError where no algorithm learns from their labels.

    Values of the recipe's file stand above those chosen by the data. ``folders`` may hold the file.
    ``given`` are the settings that the user states, by full names, as texts.
    """
    facts = _algorithm_for(look) if algorithm is None else algorithms.facts_of(algorithm)
    if recipe == SAGEMAKER:
        return Choice(facts.name, (), Plan(()))
    sections = _read(recipe, folders).get(facts.name, {})
    plan = facts.plan(look, machine, given)
    kinds = (_ALWAYS, _PRETRAINED if plan.is_pretrained else _SCRATCH)
    fixed = {
        f"{section}.{name}": value
        for kind in kinds
        for section, values in sections.get(kind, {}).items()
        for name, value in values.items()
    }
    chosen = [one for one in plan.settings if one.setting not in fixed]
    chosen += [
        Recommendation(name, _text(value), f"recipe {recipe}") for name, value in fixed.items() if value is not None
    ]
    return Choice(facts.name, tuple(chosen), plan)


def _algorithm_for(look: DataLook) -> AlgorithmFacts:
    known = algorithms.all_facts()
    found = next((facts for facts in known if look.task in facts.label_tasks), None)
    if found is None:
        raise UserError(f"the labels are {TASK_NAMES[look.task]}, from which no algorithm here learns")
    return found


def _read(name: str, folders: Sequence[Path]) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """Return the values of a recipe by algorithm, part and section. Raises SettingsError."""
    path = next((folder / f"{name}.yaml" for folder in folders if (folder / f"{name}.yaml").is_file()), None)
    if path is None:
        own = "A recipe of your own is FOLDER/recipe/NAME.yaml, given as --config-dir FOLDER recipe=NAME"
        raise SettingsError([f"Setting recipe is {shown(name)}: {did_you_mean(name, recipe_names(folders))} {own}."])
    try:
        with open_regular_text(path) as file:
            document = yaml.safe_load(file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"The recipe {path} cannot be read: {' '.join(str(error).split())}") from error
    problems: list[str] = []
    _check(document or {}, [algorithms.names(), (_ALWAYS, _PRETRAINED, _SCRATCH), _SECTIONS], str(path), problems)
    if problems:
        raise SettingsError(problems)
    return document or {}


def _check(values: object, levels: Sequence[Sequence[str]], where: str, problems: list[str]) -> None:
    """Add a sentence for each key that is none of its level's, and for each value where keys should be."""
    if not isinstance(values, Mapping):
        problems.append(f"{where} must hold names and values, but holds {shown(values)}.")
    elif levels:
        for key, below in values.items():
            if key in levels[0]:
                _check(below, levels[1:], f"{where}: {key}", problems)
            else:
                problems.append(f"{where} has {shown(key)}: {did_you_mean(str(key), levels[0])}")


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)

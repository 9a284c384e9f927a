"""The algorithms: each is a folder here, found by looking."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, cast

from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import Hyperparameters
from vision.settings.nearest import did_you_mean, shown

if TYPE_CHECKING:
    from vision.algorithms.algorithm import Algorithm


def names() -> tuple[str, ...]:
    """Names of all algorithms, with underscores."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg))


def full_name(name: str) -> str:
    """The name with underscores of an algorithm given with underscores or hyphens. Raises SettingsError."""
    known = names()
    plain = name.strip().replace("-", "_")
    if plain not in known:
        raise SettingsError([f"Algorithm {shown(name)} is unknown: {did_you_mean(name, known)}"])
    return plain


def get(name: str) -> Algorithm:
    """The algorithm of that name. Raises SettingsError naming the nearest if there is none."""
    return cast("Algorithm", importlib.import_module(f"{__name__}.{full_name(name)}").ALGORITHM)


def hyperparameters_class(name: str) -> type[Hyperparameters]:
    """The table of that algorithm; imports no torch."""
    module = importlib.import_module(f"{__name__}.{full_name(name)}.hyperparameters")
    return cast("type[Hyperparameters]", module.HYPERPARAMETERS)

"""The algorithms: each folder here is one."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, cast

from vision.settings.errors import SettingsError
from vision.settings.nearest import did_you_mean, shown

if TYPE_CHECKING:
    from vision.algorithms.algorithm import AnyAlgorithm
    from vision.algorithms.facts import AlgorithmFacts, MetricFacts


def names() -> tuple[str, ...]:
    """Return the names of all algorithms, with underscores."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg))


def full_name(name: str) -> str:
    """Return an algorithm's name with underscores, given with underscores or hyphens. Raises SettingsError."""
    known = names()
    plain = name.strip().replace("-", "_")
    if plain not in known:
        raise SettingsError([f"Algorithm {shown(name)} is unknown: {did_you_mean(name, known)}"])
    return plain


def get(name: str) -> AnyAlgorithm:
    """Return the algorithm of that name. Raises SettingsError naming the nearest if there is none."""
    return cast("AnyAlgorithm", importlib.import_module(f"{__name__}.{full_name(name)}.algorithm").ALGORITHM)


def facts_of(name: str) -> AlgorithmFacts:
    """Return what the algorithm of that name declares; imports no torch. Raises SettingsError like ``get``."""
    return cast("AlgorithmFacts", importlib.import_module(f"{__name__}.{full_name(name)}.facts").FACTS)


def channel_names() -> tuple[str, ...]:
    """Return the names of all channels that any algorithm declares."""
    return tuple(dict.fromkeys(channel.name for name in names() for channel in facts_of(name).channels))


def metric_facts(metric: str) -> MetricFacts | None:
    """Return what the first algorithm that knows a metric declares of it, with or without its channel's prefix.

    A name means the same to all that declare it. None for a name that nobody declares.
    """
    declared = (facts_of(name).metric(metric) for name in names())
    return next((facts for facts in declared if facts is not None), None)

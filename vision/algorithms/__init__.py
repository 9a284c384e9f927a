"""The algorithms: each folder here is one, and each package that an installed distribution offers.

A distribution offers one by an entry point of the group ``vision.algorithms``: its name is the algorithm's, its value a
package with ``facts.py``, which must do without torch, and ``algorithm.py``.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

from vision.settings.errors import SettingsError
from vision.settings.nearest import did_you_mean, shown

if TYPE_CHECKING:
    from types import ModuleType

    from vision.algorithms.algorithm import AnyAlgorithm
    from vision.algorithms.facts import AlgorithmFacts, MetricFacts


GROUP = "vision.algorithms"


def names() -> tuple[str, ...]:
    """Return the names of all algorithms, with underscores."""
    return tuple(
        sorted({*(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg), *installed_packages()})
    )


@functools.cache
def installed_packages() -> dict[str, str]:
    """Return the packages that installed distributions offer, by the algorithm's name."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def _part(name: str, module: str) -> ModuleType:
    """Return a module of an algorithm."""
    full = full_name(name)
    package = installed_packages().get(full)
    if package is None:
        return importlib.import_module(f"{__name__}.{full}.{module}")
    try:
        return importlib.import_module(f"{package}.{module}")
    # The package is another's: whatever is wrong with it, the others work once it is gone.
    except Exception as error:
        raise SettingsError(
            [f"Algorithm {full} of the installed package {package} cannot be loaded ({error}): update or uninstall it"]
        ) from error


def full_name(name: str) -> str:
    """Return an algorithm's name with underscores, given with underscores or hyphens. Raises SettingsError."""
    known = names()
    plain = name.strip().replace("-", "_")
    if plain not in known:
        raise SettingsError([f"Algorithm {shown(name)} is unknown: {did_you_mean(name, known)}"])
    return plain


def get(name: str) -> AnyAlgorithm:
    """Return the algorithm of that name. Raises SettingsError naming the nearest if there is none."""
    return cast("AnyAlgorithm", _part(name, "algorithm").ALGORITHM)


def facts_of(name: str) -> AlgorithmFacts:
    """Return what the algorithm of that name declares; imports no torch. Raises SettingsError like ``get``."""
    return cast("AlgorithmFacts", _part(name, "facts").FACTS)


def channel_names() -> tuple[str, ...]:
    """Return the names of all channels that any algorithm declares."""
    return tuple(dict.fromkeys(channel.name for facts in all_facts() for channel in facts.channels))


def all_facts() -> list[AlgorithmFacts]:
    """Return what all algorithms declare, but for packages of others that cannot be loaded."""
    found = []
    for name in names():
        try:
            found.append(facts_of(name))
        except SettingsError:
            if name not in installed_packages():
                raise
    return found


def metric_facts(metric: str) -> MetricFacts | None:
    """Return what the first algorithm that knows a metric declares of it, with or without its channel's prefix.

    A name means the same to all that declare it. None for a name that nobody declares.
    """
    declared = (facts.metric(metric) for facts in all_facts())
    return next((facts for facts in declared if facts is not None), None)

"""The stages of a base network: what is frozen, or trained at a rate of its own, apart from the head."""

from __future__ import annotations

from collections.abc import Sequence

# For each stage, from the image on, the beginnings of its parameters' names. What is in none belongs to the head.
Stages = tuple[tuple[str, ...], ...]


def stages_below(module: str, parts: Sequence[Sequence[str]]) -> Stages:
    """Return the stages of a base network that is called ``module``; ``parts`` are its own modules, by stage."""
    return tuple(tuple(f"{module}.{part}." for part in stage) for stage in parts)


def is_in(parameter: str, stages: Stages) -> bool:
    """Return whether a parameter belongs to one of the stages."""
    return any(parameter.startswith(stage) for stage in stages)

"""What the labels of a channel say, and whether an algorithm can use them: before any image is decoded."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

from vision import algorithms
from vision.algorithms.algorithm import AnyAlgorithm, LabeledChannel, TargetSummary
from vision.data.boxes.image_size import compare_sizes
from vision.data.labels import TASK_NAMES, Task, task_hint, task_of
from vision.data.sample import Reader, Remarking
from vision.settings.errors import DataError
from vision.settings.run import RunSettings

# Labels that tell what all of a channel are.
_LOOKED_AT = 16


def look_at_labels(
    algorithm: AnyAlgorithm, source: LabeledChannel, hyperparameters: Any, run: RunSettings
) -> TargetSummary:
    """Look at every label of a channel, and at the sizes that they state for their images.

    Labels of another kind than the algorithm's are one problem, not one for each image.
    """
    reader = source.reader
    problem = task_problem(algorithm, reader)
    if problem is not None:
        return TargetSummary(len(reader), None, reader.class_names, (problem,))
    summary = algorithm.summarize_targets(source, hyperparameters, run)
    sizes = compare_sizes(reader)
    remarks = reader.remarks if isinstance(reader, Remarking) else ()
    return replace(
        summary,
        problems=(*summary.problems, *([sizes.problem] if sizes.problem else ())),
        warnings=(*remarks, *summary.warnings, *([sizes.warning] if sizes.warning else ())),
    )


def task_problem(algorithm: AnyAlgorithm, reader: Reader) -> str | None:
    """Return a sentence where the labels of a channel are not of the kind that the algorithm works with."""
    found = channel_task(reader)
    if found is None or found in algorithm.facts.label_tasks:
        return None
    wanted = " or ".join(TASK_NAMES[task] for task in algorithm.facts.label_tasks)
    others = [name for name in algorithms.names() if found in algorithms.facts_of(name).label_tasks]
    hint = task_hint(found, algorithm.facts.label_tasks)
    hint = f" ({hint})" if hint else ""
    other = f", or use {' or '.join(others)}" if others else ""
    return (
        f"its labels are {TASK_NAMES[found]}, but {algorithm.facts.name} works with {wanted}: give such data{hint}"
        f"{other}"
    )


def channel_task(reader: Reader) -> Task | None:
    """Return what the first labels of a channel are, None where they differ or are unclear."""
    found = {_task_at(reader, index) for index in islice(range(len(reader)), _LOOKED_AT)} - {None}
    return found.pop() if len(found) == 1 else None


def _task_at(reader: Reader, index: int) -> Task | None:
    try:
        return task_of(reader.target(index))
    except DataError:
        return None

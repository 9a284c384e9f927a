"""Settings that fit an inspected data set: the algorithm that learns from its labels, counts, and its own advice."""

from __future__ import annotations

from collections.abc import Sequence

from vision import algorithms
from vision.data.inspect.issues import InspectedChannel, Recommendation
from vision.data.labels import TASK_NAMES

# The default of hp.mini_batch_size.
MINI_BATCH_SIZE = 32


def recommended_settings(channels: Sequence[InspectedChannel]) -> tuple[Recommendation, ...]:
    """Return the settings that fit the training channel, which is the first of ``channels``."""
    train = channels[0]
    known = algorithms.all_facts()
    facts = next((each for each in known if train.label_task in each.label_tasks), None)
    num_classes = max([len(train.class_names or ()), *(len(channel.class_counts) for channel in channels)])
    found = (
        [] if facts is None else [Recommendation("algorithm", facts.name, f"labels are {TASK_NAMES[train.label_task]}")]
    )
    found += [
        Recommendation("hp.num_classes", str(num_classes), "classes that are named or occur"),
        Recommendation("hp.num_training_samples", str(len(train)), f"records of channel {train.name}"),
    ]
    if len(train) < MINI_BATCH_SIZE:
        size = str(max(len(train), 1))
        found.append(Recommendation("hp.mini_batch_size", size, "not more than there are records"))
    return (*found, *(() if facts is None else facts.recommended_settings(channels)))

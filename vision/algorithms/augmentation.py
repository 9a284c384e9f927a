"""What run settings add to the augmentation of an algorithm, and what of it does not work with which algorithm."""

from __future__ import annotations

import numpy as np

from vision.algorithms.algorithm import AnyAlgorithm
from vision.algorithms.facts import AlgorithmFacts
from vision.data.augmentations.augmented_transform import augmented
from vision.data.augmentations.pipeline import Pipeline
from vision.data.dataset import ImageDataset, Transform
from vision.data.labels import TASK_NAMES
from vision.data.sampler import balancing_weights
from vision.settings.errors import DataError, SettingsError
from vision.settings.hyperparameters import TrainingHyperparameters
from vision.settings.run import RunSettings

# What the transform of an image does, and DALI's pipeline does not.
_OF_IMAGES = ("augmentation", "random_resized_crop", "auto_augment", "random_erasing", "enlarge_small_images")


def training_transform(
    algorithm: AnyAlgorithm, hyperparameters: TrainingHyperparameters, run: RunSettings
) -> Transform:
    """Return the transform of training images: the algorithm's own with what the run settings add."""
    own = algorithm.training_transform(hyperparameters, run)
    return augmented(own, algorithm, run, has_boxes="boxes" in algorithm.facts.label_tasks)


def sampling_weights(algorithm: AnyAlgorithm, dataset: ImageDataset) -> np.ndarray:
    """Return weights float64 [images] that balance the classes; an image without a usable label shows none."""
    shown = []
    for index in range(len(dataset)):
        try:
            target = dataset.decode_target(dataset.reader.target(index), dataset.reader.key(index))
        except DataError:
            shown.append(np.empty(0, np.int64))
            continue
        shown.append(algorithm.class_ids(target))
    return balancing_weights(shown)


def augmentation_problems(facts: AlgorithmFacts, run: RunSettings) -> list[str]:
    """Return a sentence for each augmentation that an algorithm or the loader cannot do."""
    problems = []
    given = set(_OF_IMAGES) & run.given_augmentations()
    if run.loader == "dali" and given:
        problems.append(f"Setting run.loader is dali, which does not do run.{min(given)}: leave one of them out.")
    labels = " or ".join(TASK_NAMES[task] for task in facts.label_tasks)
    for name in ("mixup", "cutmix", "balanced_sampling"):
        can = facts.capabilities.balanced_sampling if name == "balanced_sampling" else facts.capabilities.mixing
        if name in run.given_augmentations() and not can:
            problems.append(f"Setting run.{name} does not work with {labels}, as {facts.name} has: leave it out.")
    if run.augmentation is not None:
        try:
            tasks = facts.label_tasks
            Pipeline(run.augmentation).check(has_boxes="boxes" in tasks, has_masks="mask" in tasks)
        except SettingsError as error:
            problems += error.problems
    return problems

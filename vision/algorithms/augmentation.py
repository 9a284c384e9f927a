"""What run settings add to the augmentation of an algorithm, and what of it does not work with which algorithm."""

from __future__ import annotations

from vision.algorithms.algorithm import AnyAlgorithm
from vision.algorithms.facts import AlgorithmFacts
from vision.data.augmentations.augmented_transform import augmented
from vision.data.augmentations.pipeline import Pipeline
from vision.data.dataset import Transform
from vision.settings.errors import SettingsError
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


def augmentation_problems(facts: AlgorithmFacts, run: RunSettings) -> list[str]:
    """Return a sentence for each augmentation that an algorithm or the loader cannot do."""
    problems = []
    given = set(_OF_IMAGES) & run.given_augmentations()
    if run.loader == "dali" and given:
        problems.append(f"Setting run.loader is dali, which does not do run.{min(given)}: leave one of them out.")
    if run.augmentation is not None:
        try:
            tasks = facts.label_tasks
            Pipeline(run.augmentation).check(has_boxes="boxes" in tasks, has_masks="mask" in tasks)
        except SettingsError as error:
            problems += error.problems
    return problems

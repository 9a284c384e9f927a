"""Settings that work for some algorithms only: refused before anything is read."""

from __future__ import annotations

from vision import algorithms
from vision.algorithms.augmentation import augmentation_problems
from vision.settings.errors import SettingsError
from vision.settings.job import TrainingJob
from vision.settings.nearest import shown


def refuse_unsupported(job: TrainingJob) -> None:
    """Raise SettingsError if the job asks for what its algorithm cannot do, such as a cache that loses its targets."""
    facts = algorithms.facts_of(job.algorithm)
    problems = []
    if job.run.loader == "dali" and not facts.capabilities.dali:
        problems.append(f"Setting run.loader is dali, which cannot train {facts.name}: leave it out.")
    if job.run.cache in ("memory", "disk") and not facts.capabilities.decoded_cache:
        problems.append(
            f"Setting run.cache is {job.run.cache}, which cannot hold the targets of {facts.name}: take none."
        )
    if job.run.balanced_sampling and job.channels["train"].input_mode == "Pipe":
        problems.append("Setting run.balanced_sampling needs channel train as files, not in Pipe mode: leave it out.")
    problems += augmentation_problems(facts, job.run)
    if job.run.backbone is not None and not facts.capabilities.backbones:
        problems.append(
            f"Setting run.backbone is {job.run.backbone}, but {facts.name} has networks of its own only: leave it out."
        )
    if job.run.label_smoothing and not facts.capabilities.label_smoothing:
        problems.append(f"Setting run.label_smoothing works with no label of {facts.name}: leave it out.")
    weighing = job.hyperparameters.class_weighing
    if job.run.class_weights is not None and weighing != "run.class_weights":
        problems.append(
            f"Setting run.class_weights is {job.run.class_weights}, which this job cannot use: "
            f"{'leave it out' if weighing is None else f'give {weighing} instead'}."
        )
    choices = job.hyperparameters.objectives or (facts.objective.metric,)
    if job.run.objective is not None and job.run.objective not in choices:
        problems.append(
            f"Setting run.objective is {shown(job.run.objective)}, but this job can keep the best by "
            f"{' or '.join(choices)}: give one of them."
        )
    if problems:
        raise SettingsError(problems)

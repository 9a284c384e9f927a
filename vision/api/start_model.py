"""The network a run starts from: new, with ImageNet weights, or an earlier model that is trained on."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from vision.algorithms.algorithm import AnyAlgorithm
from vision.api.model import fill_network, open_model
from vision.artifacts.model_folder import StoredModel, compare_settings
from vision.data.seeds import seed_weights
from vision.settings.errors import SettingsError, UserError
from vision.settings.job import TrainingJob

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartModel:
    """A network ready to train, the plan it was built from, and the class names an earlier model brought along."""

    network: nn.Module
    architecture: Any
    class_names: tuple[str, ...] | None = None


def start_model(algorithm: AnyAlgorithm, job: TrainingJob) -> StartModel:
    """Build the network of a job. With a ``model`` channel that model goes on, and pretrained weights are not used."""
    seed_weights(job.run.seed)
    if "model" in job.channels:
        stored = open_model(model_path(job.channels["model"].path), job.run)
        return _continue(algorithm, job, stored)
    architecture = algorithm.architecture(job.hyperparameters, job.run.backbone)
    network = algorithm.build_network(architecture)
    if job.hyperparameters.use_pretrained_model:
        log.info("%s", algorithm.load_pretrained(network, architecture, job.run.weights_folder))
    return StartModel(network, architecture)


def model_path(path: Path) -> Path:
    """Return the model of a channel: the path itself, or the one model.tar.gz that the platform put into the folder."""
    archive = path / "model.tar.gz"
    return archive if path.is_dir() and archive.is_file() and not (path / "model.json").exists() else path


def _continue(algorithm: AnyAlgorithm, job: TrainingJob, stored: StoredModel) -> StartModel:
    if stored.algorithm != algorithm.facts.name:
        raise UserError(
            f"channel 'model' ({job.channels['model'].path}) holds a model of {stored.algorithm}, but this is "
            f"{algorithm.facts.name}: only a model of the same algorithm can be trained on"
        )
    wanted = job.hyperparameters.to_strings()
    free = algorithm.facts.head_settings if job.run.new_head else ()
    required = {name: wanted.get(name) for name in algorithm.facts.must_match if name not in free}
    problems = compare_settings(required, stored.hyperparameters)
    if problems:
        remedy = "give the stored values to train on from it"
        if any(problem.split()[0] in algorithm.facts.head_settings for problem in problems):
            remedy += ", or run.new_head=true to start with a new last layer for another number of classes"
        raise SettingsError([f"channel 'model': {problem}; {remedy}" for problem in problems])
    heads_differ = any(wanted.get(name) != stored.hyperparameters.get(name) for name in algorithm.facts.head_settings)
    plan = algorithm.continue_architecture(stored.architecture, job.hyperparameters)
    architecture = algorithm.read_architecture(plan)
    found = algorithm.backbone_of(architecture)
    if job.run.backbone not in (None, found):
        own = "one of the algorithm's own" if found is None else found
        raise SettingsError(
            [f"channel 'model': its network is {own}, but run.backbone is {job.run.backbone}: leave run.backbone out"]
        )
    network = algorithm.build_network(architecture)
    state = stored.state_dict()
    if heads_differ:
        own = network.state_dict()
        state |= {key: value for key, value in own.items() if algorithm.is_head(key, architecture)}
        log.info("the layers that depend on the number of classes are initialized again; all others keep their weights")
    fill_network(network, state, str(job.channels["model"].path))
    if job.hyperparameters.use_pretrained_model:
        log.info("training goes on from channel 'model'; hp.use_pretrained_model has no effect")
    names = None if heads_differ else stored.class_names
    return StartModel(network, architecture, names)

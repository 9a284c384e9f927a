"""What the platform gives a training container, as the job that all front doors build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vision import algorithms
from vision.data.counting import counted_line, with_counts
from vision.sagemaker.given_channels import read_channels
from vision.sagemaker.given_hyperparameters import GivenHyperparameters
from vision.sagemaker.hosts import Hosts
from vision.sagemaker.prefix import Prefix
from vision.settings.errors import SettingsError, UserError, problems_of
from vision.settings.job import Job

ALGORITHM_VARIABLE = "VISION_ALGORITHM"


@dataclass(frozen=True)
class ContainerJob:
    """A checked job, the machines that work on it, and a line on what was counted in the data, if anything was."""

    job: Job[Any]
    hosts: Hosts
    counted: str | None = None

    @classmethod
    def read(cls, prefix: Prefix, environ: Mapping[str, str]) -> ContainerJob:
        """Read the config files and the environment. Raises one SettingsError with the problems of all of them."""
        problems: list[str] = []
        algorithm = _algorithm(environ, problems)
        hosts = Hosts()
        hyperparameters: dict[str, Any] = {}
        inputs: dict[str, Any] = {}
        try:
            hosts = Hosts.read(prefix.read_config("resourceconfig.json"))
            hyperparameters = prefix.read_config("hyperparameters.json")
            inputs = prefix.read_config("inputdataconfig.json")
        except UserError as error:
            raise SettingsError([*problems, str(error)]) from error
        given = GivenHyperparameters.read(hyperparameters, environ)
        channels, channel_problems = read_channels(inputs, prefix.data, len(hosts.names))
        problems += [*given.problems, *channel_problems]
        if algorithm is None:
            raise SettingsError(problems)
        table = algorithms.hyperparameters_class(algorithm)
        try:
            counted = with_counts(given.hyperparameters, channels)
            job = Job.parse(algorithm, table, counted, channels, given.run, required_channels=())
        except UserError as error:
            raise SettingsError([*problems_of(error), *problems]) from error
        if problems:
            raise SettingsError(problems)
        return cls(job, hosts, counted_line(given.hyperparameters, counted))


def _algorithm(environ: Mapping[str, str], problems: list[str]) -> str | None:
    """The algorithm's full name; it is the image's choice, as with SageMaker's own images, not a hyperparameter."""
    name = environ.get(ALGORITHM_VARIABLE, "")
    if not name:
        known = " or ".join(algorithms.names())
        problems.append(
            f"The environment variable {ALGORITHM_VARIABLE} is not set: set it to {known} in the image (docker build"
            f" --build-arg ALGORITHM=...) or in the job's Environment."
        )
        return None
    try:
        return algorithms.full_name(name)
    except SettingsError as error:
        problems += [f"Environment variable {ALGORITHM_VARIABLE}: {problem}" for problem in error.problems]
        return None

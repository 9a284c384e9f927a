"""Reads the platform's config files and environment into the job that all front doors build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vision import algorithms
from vision.data.counting import counted_line, with_counts
from vision.sagemaker.hosts import Hosts
from vision.sagemaker.hyperparameters_json import ContainerSettings
from vision.sagemaker.input_data_config import read_channels
from vision.sagemaker.prefix import Prefix
from vision.settings.channels import TRAIN, VALIDATION
from vision.settings.errors import SettingsError, UserError, problems_of
from vision.settings.job import Job

ALGORITHM_VARIABLE = "VISION_ALGORITHM"


@dataclass(frozen=True)
class ContainerJob:
    """A checked job and its machines. ``counted`` is a log line on settings that were counted in the data, if any."""

    job: Job[Any]
    hosts: Hosts
    counted: str | None = None

    @classmethod
    def read(cls, prefix: Prefix, environ: Mapping[str, str]) -> ContainerJob:
        """Read everything. Raises one SettingsError with the problems of all files."""
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
        settings = ContainerSettings.read(hyperparameters, environ)
        declared = (TRAIN, VALIDATION) if algorithm is None else algorithms.facts_of(algorithm).channels
        channels, channel_problems = read_channels(inputs, prefix.data, len(hosts.names), declared)
        problems += [*settings.problems, *channel_problems]
        if algorithm is None:
            raise SettingsError(problems)
        facts = algorithms.facts_of(algorithm)
        # What is missing has been said of the file that lists the channels.
        optional = [replace(channel, required=False) for channel in declared]
        try:
            counted = with_counts(settings.hyperparameters, channels, facts.label_suffixes("train"))
            job = Job.parse(facts.name, facts.hyperparameters, counted, channels, settings.run, optional)
        except UserError as error:
            raise SettingsError([*problems_of(error), *problems]) from error
        if problems:
            raise SettingsError(problems)
        return cls(job, hosts, counted_line(settings.hyperparameters, counted))


def _algorithm(environ: Mapping[str, str], problems: list[str]) -> str | None:
    """Return the full name of the image's algorithm, or None with a sentence added to ``problems``."""
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

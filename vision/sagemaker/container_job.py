"""The job of a training container: read from the platform's config files and the environment, and checked.

hyperparameters.json and the environment are split into SageMaker's hyperparameters and our run settings;
inputdataconfig.json and the folder input/data become values for ``Channel.parse``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vision import algorithms
from vision.data.counting import counted_line, with_counts
from vision.sagemaker.hosts import Hosts
from vision.sagemaker.prefix import Prefix
from vision.settings.channels import TRAIN, VALIDATION, ChannelFacts
from vision.settings.errors import SettingsError, UserError, problems_of
from vision.settings.job import Job, TrainingJob

ALGORITHM_VARIABLE = "VISION_ALGORITHM"
JOB_NAME_VARIABLE = "TRAINING_JOB_NAME"
RUN_PREFIX = "run."
RUN_VARIABLE = "VISION_RUN_"
# Written by the SDK's script mode, whose code does not run here.
_SCRIPT_MODE = "sagemaker_"
# Channels that the SDK's script mode adds; they hold no images.
_SCRIPT_MODE_CHANNELS = frozenset({"code", "sm_drivers"})
_PIPE = "Pipe"
# The platform collects the log, and restarts a job after an interruption.
DEFAULTS = {"progress": "plain", "resume": "true"}


@dataclass(frozen=True)
class ContainerJob:
    """A checked job and its machines. ``counted`` is a log line on settings that were counted in the data, or None."""

    job: TrainingJob
    hosts: Hosts
    counted: str | None = None

    @classmethod
    def read(cls, prefix: Prefix, environ: Mapping[str, str]) -> ContainerJob:
        """Read everything. Raises one SettingsError with the problems of all files."""
        problems: list[str] = []
        algorithm = _algorithm(environ, problems)
        hosts = Hosts()
        hyperparameters: dict[str, object] = {}
        inputs: dict[str, object] = {}
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
        # Missing channels are among the problems of inputdataconfig.json already.
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


@dataclass(frozen=True)
class ContainerSettings:
    """Settings by name, as strings, and a sentence in ``problems`` for each setting that a container cannot have."""

    hyperparameters: dict[str, object]
    run: dict[str, object]
    problems: tuple[str, ...] = ()

    @classmethod
    def read(cls, values: Mapping[str, object], environ: Mapping[str, str]) -> ContainerSettings:
        """Take run settings from ``VISION_RUN_<NAME>`` variables and from ``run.<name>`` keys, which win."""
        hyperparameters: dict[str, object] = {}
        run: dict[str, object] = dict(DEFAULTS)
        run |= {
            name.removeprefix(RUN_VARIABLE).lower(): value
            for name, value in environ.items()
            if name.startswith(RUN_VARIABLE)
        }
        for name, value in values.items():
            if name.startswith(RUN_PREFIX):
                run[name.removeprefix(RUN_PREFIX)] = plain_text(value)
            elif not name.startswith(_SCRIPT_MODE):
                hyperparameters[name] = plain_text(value)
        problems: tuple[str, ...] = ()
        if run.pop("output", None):
            problems = (
                "Run setting output has no place in a container, whose folders the platform fixes: leave it out.",
            )
        return cls(hyperparameters, run, problems)


def plain_text(value: object) -> object:
    """Return the value without the JSON quotes that some versions of the SDK put around it (``"\\"sgd\\""``)."""
    if isinstance(value, str) and len(value) >= 2 and value[0] == value[-1] == '"':
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def read_channels(
    config: Mapping[str, object], data: Path, machines: int, declared: Sequence[ChannelFacts]
) -> tuple[dict[str, object], list[str]]:
    """Return (values by channel name, problems) of an algorithm that declares these channels.

    Without a config file, folders and pipes in ``data`` are channels.
    """
    described = dict(config) or {name: {} for name in _found(data, declared)}
    values: dict[str, object] = {}
    problems: list[str] = []
    for name, settings in described.items():
        if name in _SCRIPT_MODE_CHANNELS:
            continue
        if not isinstance(settings, Mapping):
            problems.append(f"Channel {name} is {settings!r:.80} in inputdataconfig.json but must be a JSON object.")
            continue
        values[name] = _value(name, settings, data)
        problems += _sharding_problems(name, settings, machines)
    required = [channel.name for channel in declared if channel.required]
    missing = [name for name in required if name not in described]
    given = ", ".join(described) or "none"
    asked = ", ".join(f"'{name}': ..." for name in required)
    # Without a config file, a folder is a channel.
    folder = "" if config else ", or put its data into {place}"
    problems += [
        f"Channel {name} is required but missing; given are {given}: add it to the job's InputDataConfig"
        f" (estimator.fit({{{asked}}})){folder.format(place=data / name)}."
        for name in missing
    ]
    return values, problems


def _value(name: str, settings: Mapping[str, object], data: Path) -> dict[str, object]:
    path = data / name
    mode = settings.get("TrainingInputMode") or ("File" if path.exists() else _found_mode(data, name))
    if mode == _PIPE and path.is_dir():
        # The model channel comes as a folder even where the job's other channels are pipes.
        mode = "File"
    return {"path": path, "content_type": settings.get("ContentType"), "input_mode": mode}


def _sharding_problems(name: str, settings: Mapping[str, object], machines: int) -> list[str]:
    if settings.get("S3DistributionType") != "ShardedByS3Key" or machines == 1:
        return []
    return [
        f"Channel {name} has S3DataDistributionType=ShardedByS3Key, which gives each of the {machines} machines other"
        " data: set FullyReplicated; every step is shared out among the machines by itself."
    ]


def _found(data: Path, declared: Sequence[ChannelFacts]) -> list[str]:
    """Return the names of the declared channels that are present in ``data``."""
    if not data.is_dir():
        return []
    present = {entry.name for entry in data.iterdir()}
    return [name for name in (channel.name for channel in declared) if name in present or f"{name}_0" in present]


def _found_mode(data: Path, name: str) -> str:
    return _PIPE if (data / f"{name}_0").exists() else "File"

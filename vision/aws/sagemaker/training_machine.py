"""One instance of a training job: a folder in place of /opt/ml, the job's channels in it, and the process at work."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vision.aws.child_process import start_child
from vision.aws.failure import ServiceFailure
from vision.aws.s3.buckets import Buckets, split_uri
from vision.aws.sagemaker.channel_data import find_data, link_checkpoints, pipe_passes
from vision.aws.sagemaker.training_request import InputChannel, TrainingRequest
from vision.sagemaker.container_job import ALGORITHM_VARIABLE, JOB_NAME_VARIABLE, RUN_VARIABLE, ContainerJob
from vision.sagemaker.pipe_feeder import PipeFeeder
from vision.sagemaker.prefix import VARIABLE, Prefix
from vision.settings.errors import UserError, problems_of
from vision.settings.nearest import shown


@dataclass
class TrainingMachine:
    """The instance ``host`` among ``hosts``, below ``folder``.

    ``label`` is its name in logs, as algo-1. ``variables`` are those of its place among the instances.
    """

    buckets: Buckets
    request: TrainingRequest
    algorithm: str
    folder: Path
    label: str = "algo-1"
    host: str = "algo-1"
    hosts: Sequence[str] = ("algo-1",)
    variables: Mapping[str, str] = field(default_factory=dict)
    child: subprocess.Popen[str] | None = None
    _feeders: list[PipeFeeder] = field(default_factory=list)

    @property
    def prefix(self) -> Prefix:
        return Prefix(self.folder)

    def lay_out(self) -> list[str]:
        """Write the config files and link the channels. Return the problems of the job as its container sees them."""
        self.prefix.config.mkdir(parents=True)
        self.prefix.data.mkdir()
        problems: list[str] = []
        inputs = {}
        # Two channels of one name are refused elsewhere; they have one folder.
        for channel in {channel.channel_name: channel for channel in self.request.input_data_config}.values():
            try:
                found = find_data(self.buckets, channel)
            except UserError as error:
                problems += problems_of(error)
                continue
            inputs[channel.channel_name] = self._describe(channel)
            if self._mode(channel) == "Pipe":
                # The check of the job looks for the first pipe.
                (self.prefix.data / f"{channel.channel_name}_0").touch()
            else:
                found.link_into(self.prefix.data / channel.channel_name)
        self._write_config("hyperparameters.json", self.request.hyper_parameters)
        self._write_config("inputdataconfig.json", inputs)
        hosts = {"current_host": self.host, "hosts": list(self.hosts), "network_interface_name": "lo"}
        self._write_config("resourceconfig.json", hosts)
        problems += self._container_problems(bool(problems))
        for pipe in self.prefix.data.glob("*_0"):
            if pipe.is_file():
                pipe.unlink()
        return problems

    def start(self, variables: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start the pipes of the channels in Pipe mode, link the checkpoints and start the process.

        ``variables`` are those of the job's place on this computer, as its GPUs.
        """
        for channel in self.request.input_data_config:
            if self._mode(channel) == "Pipe":
                found = find_data(self.buckets, channel)
                passes = pipe_passes(self.buckets, channel, found)
                feeder = PipeFeeder(self.prefix.data / channel.channel_name, passes)
                feeder.start()
                self._feeders.append(feeder)
        if self.request.checkpoint_config is not None:
            link_checkpoints(self.buckets, self.request.checkpoint_config.s3_uri, self.prefix.path / "checkpoints")
        self.child = start_child("vision.sagemaker.train", (), {**variables, **self._environment()})
        return self.child

    def stop_feeding(self) -> None:
        """End the pipes."""
        for feeder in self._feeders:
            feeder.stop()

    def _container_problems(self, some_data_missing: bool) -> list[str]:
        try:
            ContainerJob.read(self.prefix, self._environment())
        except UserError as error:
            given = tuple(f"Channel {channel.channel_name} " for channel in self.request.input_data_config)
            # A channel whose data are missing has its sentence already.
            return [problem for problem in problems_of(error) if not (some_data_missing and problem.startswith(given))]
        return []

    def _mode(self, channel: InputChannel) -> str:
        mode = channel.input_mode or self.request.algorithm_specification.training_input_mode
        # The model channel comes as files even where the job's other channels are pipes.
        return "File" if channel.channel_name == "model" else mode

    def _describe(self, channel: InputChannel) -> dict[str, str]:
        source = channel.data_source.s3_data_source
        described = {
            "TrainingInputMode": self._mode(channel),
            "S3DistributionType": source.s3_data_distribution_type,
            "RecordWrapperType": channel.record_wrapper_type,
        }
        return described | ({} if channel.content_type is None else {"ContentType": channel.content_type})

    def _write_config(self, name: str, value: object) -> None:
        (self.prefix.config / name).write_text(json.dumps(value), encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        """Return the process's variables: of the request's own only settings of ours, since others could run code."""
        ours = {name: value for name, value in self.request.environment.items() if name.startswith(RUN_VARIABLE)}
        return {
            **ours,
            **self.variables,
            ALGORITHM_VARIABLE: self.algorithm,
            JOB_NAME_VARIABLE: self.request.training_job_name,
            VARIABLE: str(self.prefix.path),
        }


def place_problems(buckets: Buckets, places: Mapping[str, str]) -> list[str]:
    """Return a sentence for each address, by its name in the request, below which no object can be stored."""
    problems = []
    for name, uri in places.items():
        try:
            buckets.check_output(*split_uri(uri))
        except ServiceFailure as error:
            problems.append(f"{name} is {shown(uri)}: {error.sentence}")
    return problems

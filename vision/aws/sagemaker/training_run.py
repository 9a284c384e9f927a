"""One training job at work: its folder in place of /opt/ml, its process, its log, and what it leaves in the bucket."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vision import algorithms
from vision.artifacts.archive import pack_archive
from vision.aws.child_process import GRACE_S, kill_group, start_child
from vision.aws.s3.buckets import split_uri
from vision.aws.sagemaker.channel_data import ChannelData, find_data, link_checkpoints, pipe_passes
from vision.aws.sagemaker.training_request import InputChannel, TrainingRequest
from vision.aws.workplace import Workplace
from vision.sagemaker.container_job import ALGORITHM_VARIABLE, RUN_VARIABLE, ContainerJob
from vision.sagemaker.pipe_feeder import PipeFeeder
from vision.sagemaker.prefix import VARIABLE, Prefix
from vision.sagemaker.run_job import JOB_NAME_VARIABLE
from vision.settings.errors import SettingsError, UserError, problems_of

KIND = "training-job"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_LONGEST_REASON = 1024
_MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds",
}


@dataclass
class TrainingRun:
    """A job from its preparation to its artifacts. ``stop`` may be called from any thread."""

    workplace: Workplace
    request: TrainingRequest
    algorithm: str
    _stopping: threading.Event = field(default_factory=threading.Event)
    _child: subprocess.Popen[str] | None = None
    _timed_out: bool = False

    @property
    def name(self) -> str:
        return self.request.training_job_name

    @property
    def prefix(self) -> Prefix:
        return Prefix(self.workplace.own_folder / "jobs" / self.name)

    def prepare(self, known: Sequence[str] = ()) -> None:
        """Write the config files and link the channels, then check the whole job.

        Raises SettingsError with all problems, of which some are ``known`` before.
        """
        shutil.rmtree(self.prefix.path, ignore_errors=True)
        self.prefix.config.mkdir(parents=True)
        self.prefix.data.mkdir()
        problems = list(known)
        inputs = {}
        for channel in self.request.input_data_config:
            try:
                found = find_data(self.workplace.storage.buckets, channel)
            except UserError as error:
                problems += problems_of(error)
                continue
            inputs[channel.channel_name] = self._describe(channel)
            if self._mode(channel) == "Pipe":
                # Whoever checks the job looks for the first pipe.
                (self.prefix.data / f"{channel.channel_name}_0").touch()
            else:
                found.link_into(self.prefix.data / channel.channel_name)
        self._write_config("hyperparameters.json", self.request.hyper_parameters)
        self._write_config("inputdataconfig.json", inputs)
        hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}
        self._write_config("resourceconfig.json", hosts)
        problems += self._place_problems()
        try:
            ContainerJob.read(self.prefix, self._environment())
        except UserError as error:
            missing = {f"Channel {channel.channel_name} " for channel in self.request.input_data_config}
            # A channel whose data are missing has its sentence already.
            problems += [
                problem for problem in problems_of(error) if not (problems and problem.startswith(tuple(missing)))
            ]
        for pipe in self.prefix.data.glob("*_0"):
            if pipe.is_file():
                pipe.unlink()
        if problems:
            shutil.rmtree(self.prefix.path, ignore_errors=True)
            raise SettingsError(problems)

    def _place_problems(self) -> list[str]:
        problems = []
        places = {"OutputDataConfig.S3OutputPath": self.request.output_data_config.s3_output_path}
        if self.request.checkpoint_config is not None:
            places["CheckpointConfig.S3Uri"] = self.request.checkpoint_config.s3_uri
        for name, uri in places.items():
            try:
                self.workplace.storage.buckets.folder(split_uri(uri)[0])
            except Exception as error:
                problems.append(f"{name} is {uri}: {error}")
        return problems

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
        """Return the child's variables: of the request's own only settings of ours, since others could run code."""
        ours = {name: value for name, value in self.request.environment.items() if name.startswith(RUN_VARIABLE)}
        return {
            **ours,
            ALGORITHM_VARIABLE: self.algorithm,
            JOB_NAME_VARIABLE: self.name,
            VARIABLE: str(self.prefix.path),
        }

    def run(self) -> None:
        """Train, and leave the model in the bucket. Never raises: what goes wrong is the job's FailureReason."""
        log = self.workplace.logs.writer(LOG_GROUP, f"{self.name}/algo-1-{int(time.time())}")
        feeders: list[PipeFeeder] = []
        try:
            if self._stopping.is_set():
                self._end("Stopped", "Stopped")
                return
            self._step("Downloading")
            feeders = self._bring()
            self._step("Training", started_s=time.time())
            status = self._train(log.write)
            self._finish(status)
        except Exception as error:
            log.write(f"the job cannot be finished: {error}")
            self._end("Failed", "Failed", f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            for feeder in feeders:
                feeder.stop()
            log.close()
            shutil.rmtree(self.prefix.path, ignore_errors=True)

    def stop(self, *, timed_out: bool = False) -> None:
        """Ask the job to end, as StopTrainingJob does; it is killed after two minutes."""
        self._timed_out = self._timed_out or timed_out
        self._stopping.set()
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
            killer = threading.Timer(GRACE_S, kill_group, [child])
            killer.daemon = True
            killer.start()

    def _bring(self) -> list[PipeFeeder]:
        """Start the pipes of the channels in Pipe mode and link the checkpoints."""
        buckets = self.workplace.storage.buckets
        feeders = []
        for channel in self.request.input_data_config:
            if self._mode(channel) == "Pipe":
                found: ChannelData = find_data(buckets, channel)
                feeder = PipeFeeder(self.prefix.data / channel.channel_name, pipe_passes(buckets, channel, found))
                feeder.start()
                feeders.append(feeder)
        if self.request.checkpoint_config is not None:
            link_checkpoints(buckets, self.request.checkpoint_config.s3_uri, self.prefix.path / "checkpoints")
        return feeders

    def _train(self, write_log: Any) -> int:
        """Run the process to its end and return its exit status."""
        definitions = [
            (one.name, re.compile(one.regex)) for one in algorithms.facts_of(self.algorithm).metric_definitions
        ]
        metrics: dict[str, dict[str, str | float]] = {}
        child = start_child("vision.sagemaker.train", (), self._environment())
        self._child = child
        if self._stopping.is_set():
            self.stop()
        limit = threading.Timer(
            self.request.stopping_condition.max_runtime_in_seconds, lambda: self.stop(timed_out=True)
        )
        limit.daemon = True
        limit.start()
        try:
            assert child.stdout is not None
            for line in child.stdout:
                write_log(line)
                for name, regex in definitions:
                    found = regex.search(line)
                    if found is not None:
                        metrics[name] = {"MetricName": name, "Value": float(found[1]), "Timestamp": time.time()}
                        self.workplace.registry.update(KIND, self.name, metrics=list(metrics.values()))
        finally:
            limit.cancel()
        return child.wait()

    def _finish(self, status: int) -> None:
        stopped = self._stopping.is_set()
        if status and not stopped:
            self._end("Failed", "Failed", self._reason(status))
            return
        self._step("Uploading")
        artifact = self._upload()
        changes = {} if artifact is None else {"artifact": artifact}
        if stopped:
            self._end("Stopped", "MaxRuntimeExceeded" if self._timed_out else "Stopped", **changes)
        else:
            self._end("Completed", "Completed", **changes)

    def _reason(self, status: int) -> str:
        try:
            text = self.prefix.failure.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            text = "AlgorithmError: the process ended without a word"
        return f"{text[: _LONGEST_REASON - 40]}, exit code: {status}"

    def _upload(self) -> str | None:
        """Put model and output into the bucket and return the model's address; None if no model was written."""
        output = self.request.output_data_config
        bucket, key = split_uri(f"{output.s3_output_path.rstrip('/')}/{self.name}/output")
        self._store(self.prefix.output_data, bucket, f"{key}/output.tar.gz")
        if output.compression_type == "GZIP":
            target = f"{key}/model.tar.gz"
            return f"s3://{bucket}/{target}" if self._store(self.prefix.model, bucket, target) else None
        names = _files(self.prefix.model)
        for name in names:
            with self.workplace.storage.staged() as staged:
                shutil.copyfile(self.prefix.model / name, staged)
                self.workplace.storage.store(staged, bucket, f"{key}/model/{name}")
        return f"s3://{bucket}/{key}/model/" if names else None

    def _store(self, folder: Path, bucket: str, key: str) -> bool:
        names = _files(folder)
        if names:
            with self.workplace.storage.staged() as staged:
                pack_archive(folder, names, staged)
                self.workplace.storage.store(staged, bucket, key)
        return bool(names)

    def _step(self, secondary: str, **changes: Any) -> None:
        """Enter the next of the job's secondary states."""
        found = self.workplace.registry.find(KIND, self.name)
        if found is None:
            return
        now = time.time()
        transitions: list[dict[str, Any]] = found.state["transitions"]
        if transitions:
            transitions[-1].setdefault("EndTime", now)
        entry = {"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]}
        self.workplace.registry.update(
            KIND, self.name, secondary=secondary, transitions=[*transitions, entry], **changes
        )

    def _end(self, status: str, secondary: str, reason: str | None = None, **changes: Any) -> None:
        if reason is not None:
            changes["failure"] = reason[:_LONGEST_REASON]
        self._step(secondary, status=status, ended_s=time.time(), **changes)


def first_state(raw: Mapping[str, Any], algorithm: str) -> dict[str, Any]:
    """Return the state of a job that has just been asked for."""
    entry = {"Status": "Starting", "StartTime": time.time(), "StatusMessage": _MESSAGES["Starting"]}
    return {
        "request": dict(raw),
        "algorithm": algorithm,
        "status": "InProgress",
        "secondary": "Starting",
        "transitions": [entry],
        "tags": list(raw.get("Tags") or ()),
    }


def _files(folder: Path) -> list[str]:
    """Return the paths of all files in a folder and below, relative to it."""
    if not folder.is_dir():
        return []
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

"""One training job at work: its instances, its log and metrics, and what it leaves in the bucket."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from vision import algorithms
from vision.artifacts.archive import pack_archive
from vision.aws.child_process import ask_to_end
from vision.aws.s3.buckets import split_uri
from vision.aws.sagemaker.training_machine import TrainingMachine, place_problems
from vision.aws.sagemaker.training_request import TrainingRequest
from vision.aws.sagemaker.training_state import KIND, LONGEST_REASON, TrainingState
from vision.aws.workplace import Workplace
from vision.settings.device import VISIBLE, shared_gpus, usable_cores
from vision.settings.errors import SettingsError

LOG_GROUP = "/aws/sagemaker/TrainingJobs"


def _ignored(name: str, value: float) -> None:
    pass


@dataclass(eq=False)
class TrainingRun:
    """A job from its preparation to its artifacts. ``stop`` may be called from any thread.

    ``measured`` is called with each metric that the log shows, ``ended`` when the job has ended.
    """

    workplace: Workplace
    request: TrainingRequest
    algorithm: str
    measured: Callable[[str, float], None] = _ignored
    ended: Callable[[], None] = lambda: None
    kind: str = KIND
    _stopping: threading.Event = field(default_factory=threading.Event)
    _timed_out: bool = False
    _machines: list[TrainingMachine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._state = TrainingState(self.workplace.registry, self.name)

    @property
    def name(self) -> str:
        return self.request.training_job_name

    @property
    def _folder(self) -> Path:
        return jobs_folder(self.workplace) / self.name

    def prepare(self) -> None:
        """Lay out the job's folders, then check the whole job. Raises SettingsError with all problems."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._machines = self._plan_machines()
        first, *others = self._machines
        places = place_problems(self.workplace.storage.buckets, self.request.places)
        problems = [*_refusals(self.request), *first.lay_out(), *places]
        if problems:
            self.discard()
            raise SettingsError(problems)
        for machine in others:
            machine.lay_out()

    def discard(self) -> None:
        """Remove the job's folders."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, variables: Mapping[str, str]) -> None:
        """Train, and leave the model in the bucket. Never raises: what goes wrong is the job's FailureReason."""
        try:
            if self._stopping.is_set():
                self._state.end("Stopped", "Stopped")
                return
            self._state.enter("Downloading")
            statuses = self._train(variables)
            self._finish(statuses)
        except Exception as error:
            self._state.end("Failed", "Failed", f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            self.discard()
            self.ended()

    def stop(self, *, timed_out: bool = False) -> None:
        """Ask the job to end, as StopTrainingJob does; it is killed after two minutes."""
        self._timed_out = self._timed_out or timed_out
        self._stopping.set()
        for machine in self._machines:
            ask_to_end(machine.child)

    def _plan_machines(self) -> list[TrainingMachine]:
        """Return the job's instances. Several find each other under addresses of this computer."""
        count = self.request.resource_config.instance_count
        given = (self.workplace.storage.buckets, self.request, self.algorithm)
        if count == 1:
            return [TrainingMachine(*given, self._folder / "algo-1")]
        hosts = sorted(f"127.0.0.{number}" for number in range(1, count + 1))
        shared = {"MASTER_PORT": str(_free_port())}
        gpus = shared_gpus(self.request.device)
        machines = []
        for number, host in enumerate(hosts):
            own = {VISIBLE: ",".join(gpus[number::count])} if gpus else {}
            if not gpus and "OMP_NUM_THREADS" not in os.environ:
                own["OMP_NUM_THREADS"] = str(max(1, usable_cores() // count))
            label = f"algo-{number + 1}"
            machines.append(TrainingMachine(*given, self._folder / label, label, host, hosts, {**shared, **own}))
        return machines

    def _train(self, variables: Mapping[str, str]) -> list[int]:
        """Run the processes to their end and return their exit statuses."""
        limit_s = self.request.stopping_condition.max_runtime_in_seconds
        limit = threading.Timer(limit_s, lambda: self.stop(timed_out=True))
        limit.daemon = True
        with ExitStack() as opened:
            opened.callback(limit.cancel)
            readers = []
            started_s = time.time()
            metrics = self.workplace.metrics.writer(self.name)
            opened.callback(metrics.close)

            def note(name: str, value: float) -> None:
                metrics.write(name, value)
                self._state.note(name, value)
                self.measured(name, value)

            for machine in self._machines:
                log = self.workplace.logs.writer(LOG_GROUP, f"{self.name}/{machine.label}-{int(started_s)}")
                opened.callback(log.close)
                opened.callback(machine.stop_feeding)
                # Children end with the thread that starts them: this one, which waits for them.
                machine.start(variables)
                readers.append(threading.Thread(target=self._read, args=(machine, log.write, note), daemon=True))
            self._state.enter("Training", started_s=started_s)
            if self._stopping.is_set():
                self.stop()
            limit.start()
            for reader in readers:
                reader.start()
            statuses = [machine.child.wait() for machine in self._machines if machine.child is not None]
            for reader in readers:
                reader.join()
        return statuses

    def _read(
        self, machine: TrainingMachine, write_log: Callable[[str], None], note: Callable[[str, float], None]
    ) -> None:
        """Keep the log of one instance, and the metrics in it."""
        definitions = self._definitions()
        assert machine.child is not None
        assert machine.child.stdout is not None
        for line in machine.child.stdout:
            write_log(line)
            for name, regex in definitions.items():
                found = regex.search(line)
                if found is not None:
                    try:
                        note(name, float(found[1]))
                    except ValueError:
                        # The expressions of a request may find what is no number.
                        continue

    def _definitions(self) -> dict[str, re.Pattern[str]]:
        """Return the algorithm's own metrics and those that the request defines."""
        own = {one.name: re.compile(one.regex) for one in algorithms.facts_of(self.algorithm).metric_definitions}
        given = self.request.algorithm_specification.metric_definitions
        return own | {one.name: re.compile(one.regex) for one in given}

    def _finish(self, statuses: Sequence[int]) -> None:
        stopped = self._stopping.is_set()
        if any(statuses) and not stopped:
            self._state.end("Failed", "Failed", self._reason(statuses))
            return
        self._state.enter("Uploading")
        artifact = self._upload()
        changes = {} if artifact is None else {"artifact": artifact}
        if stopped:
            self._state.end("Stopped", "MaxRuntimeExceeded" if self._timed_out else "Stopped", **changes)
        else:
            self._state.end("Completed", "Completed", **changes)

    def _reason(self, statuses: Sequence[int]) -> str:
        """Return why the first instance failed that says why, with its exit status."""
        for machine, status in zip(self._machines, statuses, strict=True):
            if status and machine.prefix.failure.is_file():
                text = machine.prefix.failure.read_text(encoding="utf-8", errors="replace").strip()
                return f"{text[: LONGEST_REASON - 40]}, exit code: {status}"
        return f"AlgorithmError: the process ended without a word, exit code: {next(filter(None, statuses))}"

    def _upload(self) -> str | None:
        """Put model and output into the bucket and return the model's address; None if no model was written."""
        # The first instance writes the job's output.
        prefix = self._machines[0].prefix
        output = self.request.output_data_config
        bucket, key = split_uri(f"{output.s3_output_path.rstrip('/')}/{self.name}/output")
        self._store(prefix.output_data, bucket, f"{key}/output.tar.gz")
        if output.compression_type == "GZIP":
            target = f"{key}/model.tar.gz"
            return f"s3://{bucket}/{target}" if self._store(prefix.model, bucket, target) else None
        names = _files(prefix.model)
        for name in names:
            with self.workplace.storage.staged() as staged:
                shutil.copyfile(prefix.model / name, staged)
                self.workplace.storage.store(staged, bucket, f"{key}/model/{name}")
        return f"s3://{bucket}/{key}/model/" if names else None

    def _store(self, folder: Path, bucket: str, key: str) -> bool:
        names = _files(folder)
        if names:
            with self.workplace.storage.staged() as staged:
                pack_archive(folder, names, staged)
                self.workplace.storage.store(staged, bucket, key)
        return bool(names)


def jobs_folder(workplace: Workplace) -> Path:
    """Return the folder in which jobs have theirs while they train."""
    return workplace.own_folder / "jobs"


def _refusals(request: TrainingRequest) -> list[str]:
    """Return what cannot be done here."""
    problems = []
    count, gpus = request.resource_config.instance_count, len(shared_gpus(request.device))
    if gpus and count > gpus:
        problems.append(
            f"ResourceConfig.InstanceCount is {count}, but the GPUs of this machine are divided among the instances,"
            f" and it has {gpus}: set at most {gpus}"
        )
    specification = request.algorithm_specification
    if specification.container_entrypoint or specification.container_arguments:
        problems.append("AlgorithmSpecification.ContainerEntrypoint and ContainerArguments cannot be set here")
    names = [channel.channel_name for channel in request.input_data_config]
    problems += [f"channel {name} is given twice" for name in sorted({name for name in names if names.count(name) > 1})]
    return problems


def _files(folder: Path) -> list[str]:
    """Return the paths of all files in a folder and below, relative to it."""
    if not folder.is_dir():
        return []
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _free_port() -> int:
    """Return a port that is free and whose next one is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("", port + 1))
            except (OSError, OverflowError):
                continue
            return int(port)

"""One model version at work: its data checked, its model trained and evaluated, its files put into the bucket."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vision.aws.logs.log_store import LogWriter
from vision.aws.package_command import CommandFailed, CommandStopped, PackageCommands
from vision.aws.registry import Resource
from vision.aws.rekognition.dataset_entries import BucketImages, ManifestError
from vision.aws.rekognition.resources import VERSION, Resources, number_of
from vision.aws.rekognition.training_data import TEST, TRAIN, TrainingData
from vision.aws.workplace import Workplace
from vision.data.readers.manifest_line import RawLine

LOG_GROUP = "/aws/rekognition/ProjectVersions"
ENDED_BY_SERVER = "The server ended while the model was being trained: train it again under another name."
_LONGEST_MESSAGE = 1024
# What is kept of a version, by the name under which the state has its key, and the name in the bucket.
_NAMES = {
    "summary": "ManifestSummary",
    TRAIN: "TrainingGroundTruth",
    f"{TRAIN}-validation": "TrainingManifestWithValidation",
    TEST: "TestingGroundTruth",
    f"{TEST}-validation": "TestingManifestWithValidation",
    "evaluation": "EvaluationResultSummary",
}
Lines = Callable[[], Iterable[RawLine]]


class VersionTraining:
    """The work of CreateProjectVersion. ``testing`` is None where a fifth of the training lines is the test."""

    kind = VERSION

    def __init__(
        self, workplace: Workplace, resources: Resources, version: Resource, training: Lines, testing: Lines | None
    ) -> None:
        self._workplace = workplace
        self._resources = resources
        self._version = version
        self._training, self._testing = training, testing
        self._commands = PackageCommands()

    @property
    def name(self) -> str:
        return self._version.name

    def run(self, variables: Mapping[str, str]) -> None:
        """Train, and leave the files in the bucket. Never raises: what goes wrong is the version's StatusMessage."""
        log = self._workplace.logs.writer(LOG_GROUP, f"{self.name}/training")
        started_s = time.time()
        try:
            results = self._work(log, variables)
        except CommandStopped:
            self._fail(log, ENDED_BY_SERVER, started_s)
        except (ManifestError, CommandFailed) as error:
            self._fail(log, str(error), started_s)
        except Exception as error:
            self._fail(log, f"{type(error).__name__}: {error}", started_s)
        else:
            self._end("TRAINING_COMPLETED", "The model is ready to run.", started_s, **results)
        finally:
            log.close()

    def stop(self) -> None:
        """Ask the work to end, as when the server does; it is killed after two minutes."""
        self._commands.stop()

    def _work(self, log: LogWriter, variables: Mapping[str, str]) -> dict[str, Any]:
        self._commands.check_stopped()
        images = BucketImages(self._workplace.storage.buckets)
        data = TrainingData.check(self._training(), None if self._testing is None else self._testing(), images)
        folder = version_folder(self._workplace, self._version)
        shutil.rmtree(folder, ignore_errors=True)
        self._publish(data.write_validation(folder / "validation"))
        problem = data.problem()
        if problem is not None:
            raise CommandFailed(problem)
        channels = data.write_channels(folder / "data")
        words = ["recipe=auto", f"channels.train={channels[TRAIN]}", f"run.output={folder / 'run'}", "run.report=false"]
        if not data.holds_out:
            log.write("vision: a label has too few images to hold some out: the test images choose the epoch\n")
            words.append(f"channels.validation={channels[TEST]}")
        self._commands.run(log, variables, "train", *words, *shlex.split(self._workplace.settings.train_words))
        evaluation = folder / "evaluation"
        words = [f"model={folder / 'run'}", f"channels.validation={channels[TEST]}", f"output={evaluation}"]
        self._commands.run(log, variables, "evaluate", *words)
        # The model stays, as what can be resumed does not.
        shutil.rmtree(folder / "run" / "checkpoints", ignore_errors=True)
        return self._results(evaluation, data)

    def _results(self, evaluation: Path, data: TrainingData) -> dict[str, Any]:
        """Put the evaluation into the bucket under the names of this version, and return what is described of it."""
        (summary_path,) = evaluation.glob("EvaluationSummary-*.json")
        summary = json.loads(summary_path.read_text(encoding="utf-8"))
        details = summary["EvaluationDetails"]
        details["ProjectVersionArn"] = self._resources.arn(self.name)
        # Those that chose the epoch are of the training data, too.
        details["NumberOfTrainingImages"] = len(data.training.usable())
        summary_path.write_text(json.dumps(summary, indent=1), encoding="utf-8")
        paths = {"evaluation": summary_path}
        for path in evaluation.glob("EvaluationManifest-*.manifest"):
            self._name_objects(path)
            paths[TEST] = path
        self._publish(paths)
        labels = summary["LabelEvaluationResults"]
        return {
            "figures": {"F1": summary["AggregatedEvaluationResults"]["F1Score"]},
            "report": report_path(self._workplace, self._version),
            "thresholds": {one["Label"]: one["Metrics"]["Threshold"] for one in labels},
        }

    def _name_objects(self, manifest: Path) -> None:
        """Write the addresses of objects in place of the paths of their files."""
        lines = []
        for line in manifest.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            key = Path(entry["source-ref"]).relative_to(self._workplace.settings.root.absolute())
            lines.append(json.dumps(entry | {"source-ref": f"s3://{key.as_posix()}"}) + "\n")
        manifest.write_text("".join(lines), encoding="utf-8")

    def _publish(self, paths: dict[str, Path]) -> None:
        found = self._resources.find(self._version.kind, self.name)
        if found is not None:
            self._resources.update(found, files=found.state["files"] | publish(self._workplace, found, paths))

    def _fail(self, log: LogWriter, message: str, started_s: float) -> None:
        log.write(f"{message}\n")
        shutil.rmtree(version_folder(self._workplace, self._version) / "run", ignore_errors=True)
        self._end("TRAINING_FAILED", message[:_LONGEST_MESSAGE], started_s)

    def _end(self, status: str, message: str, started_s: float, **changes: Any) -> None:
        now = time.time()
        seconds = max(1, round(now - started_s))
        self._resources.update(self._version, status=status, message=message, ended_s=now, seconds=seconds, **changes)


def version_folder(workplace: Workplace, version: Resource) -> Path:
    """Return the folder of a version's model and evaluation."""
    return workplace.own_folder / "custom-labels" / "versions" / str(number_of(version))


def report_path(workplace: Workplace, version: Resource) -> str:
    """Return the path of a version's report below the server's own folder."""
    path = version_folder(workplace, version) / "evaluation" / "report.html"
    return path.relative_to(workplace.own_folder).as_posix()


def publish(workplace: Workplace, version: Resource, paths: dict[str, Path]) -> dict[str, str]:
    """Copy files into the version's place in its bucket, and return their keys by what they hold."""
    state, keys = version.state, {}
    prefix = state["prefix"].strip("/")
    for what, path in paths.items():
        name = f"{_NAMES[what]}-{state['project_name']}-{state['version_name']}.json"
        keys[what] = f"{prefix}/{name}" if prefix else name
        with workplace.storage.staged() as staged:
            shutil.copyfile(path, staged)
            workplace.storage.store(staged, state["bucket"], keys[what])
    return keys

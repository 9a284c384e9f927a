"""One look at a video for its labels: by the command ``vision video``, whose lines are kept and read by answers."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vision.aws.logs.log_store import LogWriter
from vision.aws.package_command import CommandFailed, CommandStopped, PackageCommands
from vision.aws.registry import Resource
from vision.aws.workplace import Workplace

JOB = "label-detection"
LOG_GROUP = "/aws/rekognition/LabelDetection"
_LONGEST_MESSAGE = 1024
_SEEN, _FRAMES = "seen", "frames.jsonl"


class LabelDetectionJob:
    """The work of StartLabelDetection. What is interrupted begins again with the next server."""

    kind = JOB

    def __init__(self, workplace: Workplace, job: Resource) -> None:
        self._workplace, self._job = workplace, job
        self._commands = PackageCommands()

    @property
    def name(self) -> str:
        return self._job.name

    def run(self, variables: Mapping[str, str]) -> None:
        """Look at the video. Never raises: what goes wrong is the job's StatusMessage."""
        log = self._workplace.logs.writer(LOG_GROUP, self.name)
        try:
            facts = self._work(log, variables)
        except CommandStopped:
            return
        except Exception as error:
            words = str(error) if isinstance(error, CommandFailed) else f"{type(error).__name__}: {error}"
            log.write(f"{words}\n")
            self._note(status="FAILED", message=words[:_LONGEST_MESSAGE])
        else:
            self._note(status="SUCCEEDED", facts=facts)
        finally:
            log.close()

    def stop(self) -> None:
        """Ask the work to end, as when the server does."""
        self._commands.stop()

    def _work(self, log: LogWriter, variables: Mapping[str, str]) -> dict[str, Any]:
        self._commands.check_stopped()
        folder, state = job_folder(self._workplace, self._job), self._job.state
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # Under a plain name; a new object of the same key is another file.
        video = folder / "video"
        try:
            os.link(state["path"], video)
        except OSError:
            shutil.copyfile(state["path"], video)
        words = [f"model={state['model']}", f"output={folder / _SEEN}", f"score={state['least'] / 100:.6f}"]
        words += [f"fps={state['fps']}", "track=false", "annotate=false", "label=0"]
        try:
            probed = self._commands.run(log, variables, str(video), module="vision.video.probe")
            self._commands.run(log, variables, "video", str(video), *words)
        finally:
            # Also of a job that failed, which is kept for a week: its video may be large.
            video.unlink(missing_ok=True)
        with frames_path(self._workplace, self._job).open(encoding="utf-8") as lines:
            if "shares" in json.loads(next(lines, "{}")):
                raise CommandFailed("the model classifies pixels, which have no labels: give one that finds labels")
        facts: dict[str, Any] = json.loads(probed)
        return facts

    def _note(self, **changes: Any) -> None:
        self._workplace.registry.update(JOB, self.name, **changes)


def job_folder(workplace: Workplace, job: Resource) -> Path:
    """Return the folder of a job's files."""
    return workplace.own_folder / "label-detection" / job.name


def frames_path(workplace: Workplace, job: Resource) -> Path:
    """Return the path of the lines that a job has written, one for each frame."""
    return job_folder(workplace, job) / _SEEN / _FRAMES

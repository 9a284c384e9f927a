"""Runs the trials of a sweep: several at a time, each watched through its metrics.csv, hopeless ones ended early."""

from __future__ import annotations

import math
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from vision.files.write_error import make_folder
from vision.settings.counted import counted
from vision.settings.device import VISIBLE, usable_cores
from vision.settings.errors import UserError
from vision.sweeps.display import SweepDisplay
from vision.sweeps.settings import SweepSettings
from vision.sweeps.study import OpenTrial, Study, best_record
from vision.sweeps.sweep_folder import SweepFolder, SweepPlan
from vision.sweeps.trial_process import TrialProcess, ended_status, last_line, wait_until_free
from vision.training.metrics_csv import read_rows

POLL_S = 0.3


class SweepEnded(Exception):
    """A signal ended the sweep. Its trials have ended too, and it can be resumed."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(f"ended by {signal.Signals(signum).name}")


@dataclass
class _Running:
    trial: OpenTrial
    process: TrialProcess
    slot: int
    is_hopeless: bool = False
    values: dict[int, float] = field(default_factory=dict)


class Driver:
    """Starts, watches and ends the trials of one sweep.

    ``command`` starts a trial; the pipe, the status file and the words follow it. ``gpus``, by the names of
    CUDA_VISIBLE_DEVICES, are divided among the trials.
    """

    def __init__(
        self,
        folder: SweepFolder,
        plan: SweepPlan,
        settings: SweepSettings,
        study: Study,
        display: SweepDisplay,
        command: Sequence[str],
        gpus: Sequence[str] = (),
    ) -> None:
        self.folder, self.plan, self.settings = folder, plan, settings
        self.study, self.display, self.command = study, display, command
        self.groups = gpu_groups(gpus, plan.devices or 1)
        self.parallel = settings.parallel or max(1, len(self.groups))
        self.running: list[_Running] = []
        self.waiting = study.unfinished()
        self.failures = 0
        self.ended_by: int | None = None
        best = best_record(study.records())
        if best is not None and best.value is not None:
            display.best = (best.number, best.value)

    def run(self) -> None:
        """Run until all trials ended. Raises SweepEnded at a signal, UserError when trials only fail."""
        with self._signals():
            try:
                while self._start_more() or self.running:
                    time.sleep(POLL_S)
                    for running in list(self.running):
                        self._watch(running)
                    self.display.show(self.study.records())
            finally:
                # Trials are left running here only if an exception ended the loop.
                for running in self.running:
                    running.process.kill()
        if self.ended_by is not None:
            raise SweepEnded(self.ended_by)
        if self.failures >= self.settings.max_failures:
            raise UserError(
                f"{self.failures} trials in a row failed; the last one is {self.display.last_failure}. Correct the"
                " cause, then continue with sweep.resume=true"
            )

    def _start_more(self) -> bool:
        started = False
        while len(self.running) < self.parallel and self._may_start():
            trial = self._next_trial()
            if trial is None:
                break
            started = True
            if not self._ended_before(trial):
                self._start(trial)
        return started

    def _may_start(self) -> bool:
        return self.ended_by is None and self.failures < self.settings.max_failures

    def _next_trial(self) -> OpenTrial | None:
        if self.waiting:
            trial = self.waiting.pop(0)
            wait_until_free(self.folder.trial(trial.number), self.settings.grace_s)
            return trial
        if len(self.study.records()) >= self.settings.trials:
            return None
        return self.study.ask()

    def _ended_before(self, trial: OpenTrial) -> bool:
        """Read the epochs that a trial finished after its sweep was killed. Return whether nothing is left to run."""
        values = self._values(trial.number)
        for epoch, value in values.items():
            trial.report(epoch, value)
        if ended_status(self.folder.trial(trial.number)) == 0 and _best(values) is not None:
            self._complete(trial, values)
            return True
        if trial.epoch < self.plan.epochs and trial.is_hopeless():
            self._prune(trial, values)
            return True
        return False

    def _start(self, trial: OpenTrial) -> None:
        folder = self.folder.trial(trial.number)
        resumed = folder.exists()
        make_folder(folder)
        slot = min(set(range(self.parallel)) - {running.slot for running in self.running})
        report = "true" if self.settings.trial_reports else "false"
        words = [
            *self.plan.words,
            *(f"hp.{name}={value}" for name, value in trial.settings.items()),
            f"run.output={folder.absolute()}",
            "run.resume=true",
            "run.progress=plain",
            f"run.report={report}",
        ]
        process = TrialProcess(self.command, folder, words, self._environment(slot), self.plan.working_folder)
        self.running.append(_Running(trial, process, slot))
        self.display.started(trial.number, trial.settings, resumed)

    def _environment(self, slot: int) -> dict[str, str]:
        """Return the environment variables that give a slot its own GPUs or, on a CPU, its share of the cores."""
        if self.groups:
            return {VISIBLE: ",".join(self.groups[slot % len(self.groups)])}
        if self.parallel > 1 and "OMP_NUM_THREADS" not in os.environ:
            return {"OMP_NUM_THREADS": str(max(1, usable_cores() // self.parallel))}
        return {}

    def _watch(self, running: _Running) -> None:
        process, trial = running.process, running.trial
        status = process.poll()
        # Read after the status, so that the last row of a trial that has ended is included.
        for epoch, value in self._values(trial.number).items():
            if epoch not in running.values:
                running.values[epoch] = value
                trial.report(epoch, value)
                self.display.reported(trial.number, epoch, value)
        if status is not None:
            self.running.remove(running)
            self._settle(running, status)
        elif process.asked_to_end_s is not None:
            if time.monotonic() - process.asked_to_end_s > self.settings.grace_s:
                process.kill()
        elif self.ended_by is not None:
            process.ask_to_end()
        elif trial.epoch < self.plan.epochs and trial.is_hopeless():
            running.is_hopeless = True
            process.ask_to_end()

    def _settle(self, running: _Running, status: int) -> None:
        trial = running.trial
        if status == 0 and _best(running.values) is not None:
            self._complete(trial, running.values)
        elif running.is_hopeless:
            self._prune(trial, running.values)
        elif self.ended_by is None:
            self.failures += 1
            trial.fail()
            self._tidy(trial)
            self.display.failed(trial.number, status, last_line(self.folder.trial(trial.number)))
        # A trial that ended with the sweep stays "running" in the study, so that a resumed sweep continues it.

    def _complete(self, trial: OpenTrial, values: dict[int, float]) -> None:
        best = _best(values)
        assert best is not None
        self.failures = 0
        trial.complete(best)
        self._tidy(trial)
        self.display.completed(trial.number, best)

    def _prune(self, trial: OpenTrial, values: dict[int, float]) -> None:
        self.failures = 0
        trial.prune()
        self._tidy(trial)
        self.display.pruned(trial.number, trial.epoch, values.get(trial.epoch, math.nan))

    def _tidy(self, trial: OpenTrial) -> None:
        """Remove what only serves to resume a trial."""
        if not self.settings.keep_checkpoints:
            shutil.rmtree(self.folder.trial(trial.number) / "checkpoints", ignore_errors=True)

    def _values(self, number: int) -> dict[int, float]:
        """Return the objective by epoch, for the epochs that a trial has finished."""
        path = self.folder.trial(number) / "metrics.csv"
        column = f"validation_{self.plan.metric}"
        if not path.exists():
            return {}
        return {int(row["epoch"]): row.get(column, math.nan) for row in read_rows(path)}

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT in the block: the first lets the trials save and end, a second kills them."""

        def receive(signum: int, frame: FrameType | None) -> None:
            if self.ended_by is not None:
                for running in self.running:
                    running.process.kill()
            self.ended_by = signum

        before = {signum: signal.signal(signum, receive) for signum in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)


def gpu_groups(gpus: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Divide the GPUs into groups of ``size``, each for one trial at a time. Raises UserError if there are too few."""
    if gpus and len(gpus) < size:
        raise UserError(
            f"run.devices={size} was asked for, but this machine has {counted(len(gpus), 'GPU')}; lower run.devices"
        )
    return [tuple(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]


def _best(values: dict[int, float]) -> float | None:
    """Return the value of the best epoch, whose model a run keeps."""
    return max((value for value in values.values() if math.isfinite(value)), default=None)

"""One tuning job at work: draws values, trains a job with each, watches the objective, and stops hopeless jobs."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from vision.aws.registry import Resource
from vision.aws.sagemaker.training_request import TrainingRequest
from vision.aws.sagemaker.training_run import TrainingRun
from vision.aws.sagemaker.training_state import KIND as TRAINING
from vision.aws.sagemaker.training_state import TrainingState, first_state
from vision.aws.sagemaker.tuning_request import TuningRequest, training_values
from vision.aws.sagemaker.tuning_space import TuningSpace
from vision.aws.scheduler import Scheduler
from vision.aws.workplace import Workplace
from vision.sagemaker.container_job import plain_text
from vision.settings.errors import UserError, problems_of
from vision.sweeps.settings import SweepSettings
from vision.sweeps.space import table_of
from vision.sweeps.study import OpenTrial, Study

KIND = "hyper-parameter-tuning-job"
# If the first jobs all fail, what is the same with all of them is probably wrong.
_MOST_FAILURES = 3
_SAMPLERS = {"Bayesian": "tpe", "Hyperband": "tpe", "Random": "random", "Grid": "random"}


@dataclass
class _Trial:
    """A training job under way. ``values`` are the objective by epoch, from 1."""

    open: OpenTrial
    values: dict[int, float] = field(default_factory=dict)
    is_hopeless: bool = False


@dataclass(eq=False)
class TuningRun:
    """A tuning job from its first training job to its last. ``stop`` may be called from any thread."""

    workplace: Workplace
    scheduler: Scheduler
    request: TuningRequest
    algorithm: str
    space: TuningSpace
    kind: str = KIND
    _events: SimpleQueue[tuple[str, float | None]] = field(default_factory=SimpleQueue)
    _running: dict[str, _Trial] = field(default_factory=dict)
    _stopping: bool = False
    _started: int = 0
    _failures: int = 0
    _best: float | None = None
    _since_best: int = 0

    @property
    def name(self) -> str:
        return self.request.name

    @property
    def _sign(self) -> int:
        return 1 if self.request.objective.type == "Maximize" else -1

    def stop(self) -> None:
        """Ask the tuning job and its training jobs to end."""
        self._stopping = True
        self._events.put(("", None))

    def run(self, variables: Mapping[str, str]) -> None:
        """Train all jobs. Never raises: what goes wrong is the tuning job's FailureReason."""
        try:
            self._tune()
            if self._stopping:
                self._end("Stopped")
            elif self._best is None:
                self._end("Failed", "All training jobs failed, or showed no objective metric: see their FailureReason")
            else:
                self._end("Completed")
        except Exception as error:
            self._stop_all()
            self._end("Failed", f"InternalServerError: {type(error).__name__}: {error}")

    def _tune(self) -> None:
        study = self._study()
        limit_s = self.request.config.resource_limits.max_runtime_in_seconds
        until = math.inf if limit_s is None else time.monotonic() + limit_s
        while True:
            while self._may_start():
                self._start(study)
            if not self._running and not self._may_start():
                return
            left_s = until - time.monotonic()
            try:
                job, value = self._events.get(timeout=None if left_s == math.inf else max(0.0, left_s))
            except Empty:
                self._stopping, until = True, math.inf
                job, value = "", None
            if self._stopping:
                self._stop_all()
            if job in self._running:
                self._settle(job) if value is None else self._measure(job, value)

    def _study(self) -> Study:
        """Return the study with what is known before: a grid's combinations and the results of parents."""
        config, parallel = self.request.config, self._parallel
        strategy = config.strategy
        band = config.strategy_config.hyperband_strategy_config
        judged = strategy == "Hyperband" or config.training_job_early_stopping_type == "Auto"
        settings = {
            "trials": str(self.request.most_jobs),
            "sampler": _SAMPLERS[strategy],
            "pruner": "hyperband" if strategy == "Hyperband" else "median" if judged else "none",
            "startup_epochs": str(band.min_resource if strategy == "Hyperband" else 2),
            "seed": str(config.random_seed % 2**32),
            "parallel": str(parallel),
        }
        epochs = min(band.max_resource or self._epochs, self._epochs)
        study = Study(None, self.space.space, SweepSettings.parse(settings), epochs)
        if strategy == "Grid":
            for values in self.space.grid():
                study.plan(values)
        elif self.request.warm_start_config is not None:
            for job in jobs_of(self.workplace, self.request.warm_start_config.parents):
                value = objective_of(job)
                if value is not None:
                    try:
                        study.learn(self.space.drawn(job.state["request"]["HyperParameters"]), self._sign * value)
                    except ValueError:
                        # Tried outside this job's ranges, or without one of its hyperparameters.
                        continue
        return study

    @property
    def _epochs(self) -> int:
        """Return how many epochs a job trains."""
        default = table_of(self.algorithm).model_fields["epochs"].default
        return int(str(plain_text(self.request.definition.static_hyper_parameters.get("epochs", default))))

    @property
    def _parallel(self) -> int:
        return min(self.request.config.resource_limits.max_parallel_training_jobs, self.workplace.settings.places)

    def _may_start(self) -> bool:
        return (
            not self._stopping
            and self._started < self.request.most_jobs
            and len(self._running) < self._parallel
            and (self._best is not None or self._failures < _MOST_FAILURES)
            and not self._has_found_enough()
        )

    def _has_found_enough(self) -> bool:
        criteria = self.request.config.tuning_job_completion_criteria
        target, patience = criteria.target_objective_metric_value, criteria.best_objective_not_improving
        if self._best is None:
            return False
        if target is not None and self._best >= self._sign * target:
            return True
        return patience is not None and self._since_best >= patience.max_number_of_training_jobs_not_improving

    def _start(self, study: Study) -> None:
        """Start a training job with new values."""
        self._started += 1
        trial = study.ask()
        name = f"{self.name}-{self._started:03d}-{uuid.uuid4().hex[:8]}"
        tuned = self.space.tuned(trial.settings)
        found = self.workplace.registry.find(KIND, self.name)
        assert found is not None
        raw = definition_of(found.state["request"])
        values = training_values(self.request, raw, name, tuned)
        state = first_state(values, self.algorithm) | {
            "tags": found.state["tags"],
            "tuning": {"job": self.name, "tuned": tuned},
        }
        self.workplace.registry.add(TRAINING, name, state)
        self._running[name] = _Trial(trial)
        run = TrainingRun(
            self.workplace,
            TrainingRequest.read(values),
            self.algorithm,
            lambda metric, value: self._note(name, metric, value),
            lambda: self._events.put((name, None)),
        )
        try:
            run.prepare()
        except UserError as error:
            reason = f"ClientError: {' '.join(problems_of(error))}"
            TrainingState(self.workplace.registry, name).end("Failed", "Failed", reason)
            self._events.put((name, None))
        else:
            self.scheduler.add(run)

    def _note(self, job: str, metric: str, value: float) -> None:
        if metric == self.request.objective.metric_name:
            self._events.put((job, value))

    def _measure(self, job: str, value: float) -> None:
        """Take account of the objective after an epoch, and stop the job if it is hopeless."""
        trial = self._running[job]
        epoch = len(trial.values) + 1
        trial.values[epoch] = self._sign * value
        trial.open.report(epoch, self._sign * value)
        if not trial.is_hopeless and epoch < self._epochs and trial.open.is_hopeless():
            trial.is_hopeless = True
            self._stop_job(job)

    def _settle(self, job: str) -> None:
        """Take account of the end of a job: of its best epoch, whose model it keeps."""
        trial = self._running.pop(job)
        best = max((value for value in trial.values.values() if math.isfinite(value)), default=None)
        found = self.workplace.registry.find(TRAINING, job)
        status = "Failed" if found is None else found.state["status"]
        is_measured = best is not None and status != "Failed"
        objective = {"value": self._sign * best} if best is not None and is_measured else {}
        self.workplace.registry.update(TRAINING, job, objective=objective)
        if best is None or not is_measured:
            trial.open.fail()
            self._failures += status != "Stopped"
            return
        if status == "Completed":
            trial.open.complete(best)
            self._since_best = self._since_best + 1 if self._best is not None and best <= self._best else 0
            self._best = best if self._best is None else max(best, self._best)
            metric = {"MetricName": self.request.objective.metric_name, "Value": self._sign * self._best}
            self.workplace.registry.update(KIND, self.name, metrics=[metric])
        else:
            trial.open.prune()

    def _stop_all(self) -> None:
        for job in self._running:
            self._stop_job(job)

    def _stop_job(self, job: str) -> None:
        if TrainingState(self.workplace.registry, job).stop():
            self.scheduler.stop(TRAINING, job)

    def _end(self, status: str, reason: str | None = None) -> None:
        changes: dict[str, Any] = {} if reason is None else {"failure": reason[:1024]}
        self.workplace.registry.update(KIND, self.name, status=status, ended_s=time.time(), **changes)


def definition_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one training job definition of a request."""
    found: dict[str, Any] = raw.get("TrainingJobDefinition") or raw["TrainingJobDefinitions"][0]
    return found


def jobs_of(workplace: Workplace, tuning_jobs: Sequence[str]) -> Iterator[Resource]:
    """Yield the training jobs of tuning jobs, the oldest first."""
    for job in workplace.registry.all(TRAINING):
        if job.state.get("tuning", {}).get("job") in tuning_jobs:
            yield job


def tuned_of(job: Resource) -> dict[str, str]:
    """Return the hyperparameters that a tuning job chose for a training job."""
    tuned: dict[str, str] = job.state["tuning"]["tuned"]
    return tuned


def objective_of(job: Resource) -> float | None:
    """Return the objective of the best epoch of a training job that has ended, or None."""
    value: float | None = job.state.get("objective", {}).get("value")
    return value

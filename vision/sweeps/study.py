"""The study: all trials and their results, which optuna keeps in an SQLite file."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vision.settings.errors import UserError
from vision.sweeps.settings import SweepSettings
from vision.sweeps.space import SearchSpace

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FixedTrial, FrozenTrial
    from optuna.trial import Trial as OptunaTrial

State = Literal["running", "complete", "pruned", "failed"]
_SETTINGS = "settings"
_STATES: dict[str, State] = {"RUNNING": "running", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


@dataclass(frozen=True)
class TrialRecord:
    """The state of one trial.

    ``settings`` are the drawn hyperparameters as texts, ``values`` the objective by epoch, from 1, and ``value``
    that of the best epoch once the trial has ended.
    """

    number: int
    state: State
    settings: Mapping[str, str]
    values: Mapping[int, float]
    value: float | None
    seconds: float | None


class Study:
    """Draws the values of trials and keeps their results; higher is better. Without a ``path`` it is not on disk."""

    def __init__(self, path: Path | None, space: SearchSpace, settings: SweepSettings, epochs: int) -> None:
        try:
            import optuna
        except ModuleNotFoundError as error:
            raise UserError("sweeps need optuna, which is not installed: pip install 'vision[sweep]'") from error

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self.space = space
        self.settings = settings
        try:
            self._study: OptunaStudy = optuna.create_study(
                storage=None if path is None else optuna.storages.RDBStorage(_address(path)),
                study_name="sweep",
                direction="maximize",
                pruner=_pruner(settings, epochs),
                load_if_exists=True,
            )
        except Exception as error:
            # Optuna and SQLAlchemy raise many kinds of errors for a file that is damaged or of another version.
            raise UserError(
                f"{path} cannot be used as a study ({_first_line(error)}): give another sweep.output"
            ) from error

    def records(self) -> list[TrialRecord]:
        """Return all trials in the order of their numbers."""
        return [_record(trial) for trial in self._study.get_trials(deepcopy=False)]

    def unfinished(self) -> list[OpenTrial]:
        """Return the trials that an interrupted sweep left running."""
        from optuna.trial import Trial

        running = [trial for trial in self._study.get_trials(deepcopy=False) if trial.state.name == "RUNNING"]
        return [self._open(Trial(self._study, trial._trial_id), set(trial.intermediate_values)) for trial in running]

    def ask(self) -> OpenTrial:
        """Return a new trial with drawn values."""
        number = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = _sampler(self.settings, number)
        return self._open(self._study.ask(), set())

    def plan(self, settings: Mapping[str, str]) -> None:
        """Let a coming trial have these values instead of drawn ones. Raises ValueError outside the space."""
        self._study.enqueue_trial(self._fixed(settings).params)

    def learn(self, settings: Mapping[str, str], value: float) -> None:
        """Take account of a result from elsewhere, as a complete trial. Raises ValueError outside the space."""
        from optuna.trial import create_trial

        fixed = self._fixed(settings)
        self._study.add_trial(create_trial(params=fixed.params, distributions=fixed.distributions, value=value))

    def _fixed(self, settings: Mapping[str, str]) -> FixedTrial:
        from optuna.trial import FixedTrial

        fixed = FixedTrial(self.space.read_values(settings))
        self.space.suggest(fixed)
        return fixed

    def _open(self, trial: OptunaTrial, reported: set[int]) -> OpenTrial:
        # Values that were drawn before a kill are drawn again unchanged.
        drawn = self.space.suggest(trial)
        if trial.user_attrs.get(_SETTINGS) != drawn:
            trial.set_user_attr(_SETTINGS, drawn)
        return OpenTrial(self._study, trial, drawn, reported)

    def importances(self) -> dict[str, float]:
        """Return the importance (0..1) of each hyperparameter for the objective; empty if there are too few trials."""
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

        complete = [record for record in self.records() if record.state == "complete"]
        if len(complete) < 3 or len({record.value for record in complete}) < 2:
            return {}
        try:
            return get_param_importances(self._study, evaluator=PedAnovaImportanceEvaluator())
        except (ValueError, RuntimeError):
            # No dimension is common to all trials, or all trials drew the same values.
            return {}


@contextmanager
def keeping(path: Path) -> Iterator[None]:
    """Raise UserError in place of the errors of a study's file, of which a full disk is the usual cause."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        raise UserError(
            f"{path} can no longer be written ({_first_line(cause)}): free some space on its disk, or allow this user "
            "to write there, then go on with sweep.resume=true"
        ) from error


class OpenTrial:
    """A trial under way. ``settings`` are its drawn hyperparameters."""

    def __init__(self, study: OptunaStudy, trial: OptunaTrial, settings: dict[str, str], reported: set[int]) -> None:
        self._study, self._trial = study, trial
        self.settings = settings
        self.number: int = trial.number
        self._reported = reported

    @property
    def epoch(self) -> int:
        """Return the last epoch that was reported; 0 before the first."""
        return max(self._reported, default=0)

    def report(self, epoch: int, value: float) -> None:
        """Record the objective of an epoch; later calls for that epoch have no effect."""
        if epoch not in self._reported:
            self._reported.add(epoch)
            self._trial.report(value, epoch)

    def is_hopeless(self) -> bool:
        """Return whether the pruner would end the trial after its last epoch."""
        return bool(self._reported) and self._trial.should_prune()

    def complete(self, value: float) -> None:
        """Mark the trial as complete, with the ``value`` of its best epoch."""
        assert math.isfinite(value)
        self._study.tell(self._trial, value)

    def prune(self) -> None:
        """Mark the trial as ended early."""
        from optuna.trial import TrialState

        self._study.tell(self._trial, state=TrialState.PRUNED)

    def fail(self) -> None:
        """Mark the trial as failed, without a result."""
        from optuna.trial import TrialState

        self._study.tell(self._trial, state=TrialState.FAIL)


def _record(trial: FrozenTrial) -> TrialRecord:
    values = {epoch: value for epoch, value in sorted(trial.intermediate_values.items())}
    finite = [value for value in values.values() if math.isfinite(value)]
    state = _STATES[trial.state.name]
    duration = trial.duration
    return TrialRecord(
        number=trial.number,
        state=state,
        settings=trial.user_attrs.get(_SETTINGS, {}),
        values=values,
        # Optuna's own value of a pruned trial is that of its last epoch.
        value=max(finite, default=None) if state == "pruned" else trial.value if state == "complete" else None,
        seconds=None if duration is None else duration.total_seconds(),
    )


def _sampler(settings: SweepSettings, number: int) -> BaseSampler:
    """Return a new sampler for each trial, so that a resumed sweep draws what an uninterrupted one would have drawn."""
    import numpy as np
    from optuna.samplers import RandomSampler, TPESampler

    seed = int(np.random.SeedSequence((settings.seed, number)).generate_state(1)[0])
    if settings.sampler == "random":
        return RandomSampler(seed=seed)
    parallel = (settings.parallel or 2) > 1
    return TPESampler(n_startup_trials=settings.startup_trials, seed=seed, constant_liar=parallel)


def _pruner(settings: SweepSettings, epochs: int) -> BasePruner:
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if settings.pruner == "none":
        return NopPruner()
    if settings.pruner == "hyperband":
        lowest = min(settings.startup_epochs, epochs)
        return HyperbandPruner(min_resource=lowest, max_resource=epochs, reduction_factor=3)
    # Optuna's steps are epochs from 1: no trial is judged before this one is over.
    return MedianPruner(n_startup_trials=settings.startup_trials, n_warmup_steps=settings.startup_epochs)


def _address(path: Path) -> str:
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def best_record(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the complete trial with the highest value, the earliest of equals; None if no trial is complete."""
    complete = [record for record in records if record.state == "complete"]
    return max(complete, key=lambda record: (record.value or -math.inf, -record.number), default=None)


def summary_counts(records: Sequence[TrialRecord]) -> dict[State, int]:
    """Return the number of trials in each state."""
    states: tuple[State, ...] = ("complete", "pruned", "failed", "running")
    return {state: sum(record.state == state for record in records) for state in states}

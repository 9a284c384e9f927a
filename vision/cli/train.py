"""``vision train``: compose the settings, check them all, then train."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vision import algorithms
from vision.cli.composition import compose_settings, config_groups, run_hydra
from vision.cli.job import check_settings, job_of
from vision.cli.main import SIGNALLED, USER_ERROR, print_problems
from vision.cli.overrides import Overrides, Settings, read_overrides
from vision.cli.recipe import with_recipe
from vision.settings.errors import SettingsError, UserError

if TYPE_CHECKING:
    from vision.api import CrossValidation, RunResult


def run(argv: Sequence[str]) -> int:
    """Train once, or once for each combination with -m. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        from vision.cli.help import train_help

        print(train_help(argv))
        return 0
    argv = with_recipe(argv)
    overrides = read_overrides(argv, config_groups(tuple(argv)))
    if overrides.problems:
        raise SettingsError([*overrides.problems, *_further_problems(overrides, argv)])
    if not overrides.flags:
        return train(compose_settings(overrides, argv)).status
    statuses = []

    def one(settings: Settings) -> float:
        try:
            outcome = train(settings)
        except UserError as error:
            # The other runs may still succeed.
            print_problems(error)
            outcome = Outcome(USER_ERROR)
        statuses.append(outcome.status)
        if outcome.status > SIGNALLED:
            sys.exit(outcome.status)
        return outcome.objective

    run_hydra(overrides, one)
    return max(statuses, default=0)


def _further_problems(overrides: Overrides, argv: Sequence[str]) -> Sequence[str]:
    """Return what else is wrong with the settings, so that the user sees all problems at once."""
    try:
        settings = compose_settings(overrides, argv)
        if settings["algorithm"] is not None:
            check_settings(settings)
    except SettingsError as error:
        return error.problems
    except UserError:
        # The settings may fail to compose because of the words that were refused.
        return ()
    return ()


@dataclass(frozen=True)
class Outcome:
    """The exit status of a run, and its objective: validation accuracy or mAP, NaN without one."""

    status: int
    objective: float = math.nan


def train(settings: Settings) -> Outcome:
    """Train with composed settings, draw the report and say where it is."""
    job = job_of(settings)
    facts = algorithms.facts_of(job.algorithm)
    metric = facts.objective_of(job.run)
    if "torch" not in sys.modules and os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"vision: {facts.title}: the settings are right; loading PyTorch", file=sys.stderr, flush=True)
    # Imported after the settings are checked: importing torch takes seconds.
    from vision import api
    from vision.training.termination import Terminated

    try:
        if job.run.folds is not None:
            folds = api.cross_validate(job)
            show_folds(folds)
            return Outcome(0, folds.mean(metric))
        result = api.train(job)
    except Terminated as error:
        print(f"vision: {error}; run.resume=true continues the run", file=sys.stderr)
        return Outcome(error.status)
    # Further processes of the same run, one for each GPU, stay silent.
    if os.environ.get("LOCAL_RANK", "0") == "0":
        show(result)
    return Outcome(0, result.metrics[metric])


def show_folds(result: CrossValidation) -> None:
    """Print mean, spread and the value of each fold, by metric."""
    from vision.cli.terminal import print_table

    print_table(result.table())
    print(f"folders of the folds: {result.folder}")


def show(result: RunResult) -> None:
    """Print the final metrics, write the report, and print where everything is and what to think of the model."""
    from vision.cli.terminal import print_evaluation, print_verdict

    print_evaluation(result.evaluation, "validation, the model that was kept")
    print(f"run folder: {result.folder.path}\nmodel: {result.folder.archive}")
    if result.job.run.report:
        from vision.reports.report import write_run_report

        print(f"report: {write_run_report(result)}")
    print_verdict(result.verdict)

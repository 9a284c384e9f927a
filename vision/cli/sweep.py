"""``vision sweep``: find good hyperparameters by training with many, each trial in a process of its own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vision import algorithms
from vision.cli.main import SIGNALLED
from vision.cli.recipe import with_recipe
from vision.cli.sweep_words import SweepWords, read_sweep_words, space_file_text
from vision.settings.device import shared_gpus
from vision.settings.errors import SettingsError, UserError
from vision.settings.job import TrainingJob
from vision.sweeps.settings import SweepSettings
from vision.sweeps.space import SearchSpace, documented_space, given_space, table_of
from vision.sweeps.sweep_folder import SweepFolder, SweepPlan

if TYPE_CHECKING:
    from vision.sweeps.study import Study

TRIAL = (sys.executable, "-m", "vision.cli.trial")
WIDE = 160
# The sweep itself sets these for each trial.
OWN_RUN_SETTINGS = {"output": "sweep.output=PATH", "resume": "sweep.resume=true", "report": "sweep.trial_reports=true"}


def run(argv: Sequence[str]) -> int:
    """Run a sweep, or resume one. Return the exit status."""
    if {"-h", "--help"}.intersection(argv):
        from vision.cli.help import sweep_help

        print(sweep_help())
        return 0
    if "--space" in argv:
        print(space_file_text([word for word in argv if word != "--space"]), end="")
        return 0
    words = read_sweep_words(with_recipe(argv, "sweep"))
    settings = SweepSettings.parse(words.sweep)
    if settings.resume:
        folder, plan = _earlier(words, settings)
        # Earlier settings hold unless they are given again. The folder may have been moved.
        settings = SweepSettings.parse({**plan.settings, **words.sweep})
        folder.write_plan(replace(plan, settings={**plan.settings, **_kept(words.sweep)}))
    else:
        plan = plan_of(words, settings)
        folder = SweepFolder(settings.output or _new_path())
        folder.begin(plan)
    return run_plan(folder, plan, settings)


def run_plan(folder: SweepFolder, plan: SweepPlan, settings: SweepSettings) -> int:
    """Run the remaining trials of a sweep, then report. Return the exit status."""
    from vision.sweeps.display import sweep_display
    from vision.sweeps.driver import Driver, SweepEnded
    from vision.sweeps.study import Study, keeping

    with folder.locked(), keeping(folder.study):
        study = Study(folder.study, plan.space, settings, plan.epochs)
        display = sweep_display(plan.metric, settings.trials)
        print(f"sweep folder: {folder.path}", flush=True)
        try:
            with display.open():
                Driver(folder, plan, settings, study, display, TRIAL, shared_gpus(plan.device)).run()
        except SweepEnded as error:
            resume = f"vision sweep sweep.output={shlex.quote(str(folder.path))} sweep.resume=true"
            print(f"vision: {error}; {resume} goes on", file=sys.stderr)
            return SIGNALLED + error.signum
        return _report(folder, plan, study)


def _report(folder: SweepFolder, plan: SweepPlan, study: Study) -> int:
    from rich.console import Console

    from vision.sweeps.display import trial_table
    from vision.sweeps.report import best_command, write_result, write_sweep_report
    from vision.sweeps.study import best_record

    records = study.records()
    # Printed first, so that the result is not lost if a file cannot be written.
    # Output to a file has no width of its own, and the table should not be cut there.
    width = None if sys.stdout.isatty() else WIDE
    Console(width=width).print(trial_table(records, plan.metric, len(records)))
    best = best_record(records)
    if best is not None:
        print(f"best: trial {best.number}, validation {plan.metric} {best.value:.4f}\n\n{best_command(plan, best)}\n")
    write_result(folder, plan, records)
    path = write_sweep_report(folder, plan, records, study.importances())
    if best is None:
        print("vision: no trial came to its end, so there are no best settings", file=sys.stderr)
        return 1
    print(f"model: {folder.trial(best.number) / 'model.tar.gz'}\nreport: {path}")
    return 0


def _earlier(words: SweepWords, settings: SweepSettings) -> tuple[SweepFolder, SweepPlan]:
    if settings.output is None:
        raise UserError("sweep.resume=true needs the folder of the sweep to go on with; give sweep.output=PATH as well")
    folder = SweepFolder(settings.output)
    plan = folder.read_plan()
    if words.fixed and tuple(words.fixed) != plan.words:
        raise SettingsError(
            [
                f"The sweep in {folder.path} began with {shlex.join(plan.words)}: a sweep resumes with the settings it"
                " began with, so leave out all but those of sweep.*, or give another sweep.output"
            ]
        )
    return folder, plan


def plan_of(words: SweepWords, settings: SweepSettings) -> SweepPlan:
    """Check everything before the first trial starts. Raises SettingsError with all problems."""
    from vision.cli.job import job_of

    composed = words.compose()
    problems = [
        f"Setting run.{name} is set for each trial by the sweep: leave it out; you may want {instead}."
        for name, instead in OWN_RUN_SETTINGS.items()
        if any(word.startswith(f"run.{name}=") for word in words.fixed)
    ]
    if composed["run"].get("folds") is not None:
        problems.append("Setting run.folds is not for sweeps: leave it out.")
    try:
        job = job_of(composed)
    except SettingsError as error:
        raise SettingsError([*problems, *error.problems]) from error
    name = job.algorithm
    # Values that the user gives, on the command line or in a config file, are not varied.
    given = {key for key, value in composed["hp"].items() if value is not None}
    ranges = words.ranges(settings.space)
    try:
        if ranges:
            space = given_space(name, ranges, job.hyperparameters.optimizer)
        else:
            space = documented_space(name, job.hyperparameters.optimizer if "optimizer" in given else None, given)
        problems += _range_problems(job, space)
    except SettingsError as error:
        raise SettingsError([*problems, *error.problems]) from error
    if not space.dimensions:
        problems.append("There is nothing to vary: leave a tunable hyperparameter out, or give a range of values.")
    if problems:
        raise SettingsError(problems)
    objective = algorithms.facts_of(name).objective
    return SweepPlan(
        algorithm=name,
        words=tuple(words.fixed),
        working_folder=str(Path.cwd()),
        metric=objective.metric,
        sagemaker_metric=objective.sagemaker,
        epochs=_most_epochs(job, space),
        device=job.run.device,
        devices=job.run.devices,
        space=space,
        settings=_kept(words.sweep),
    )


def _kept(given: Mapping[str, str]) -> dict[str, str]:
    """Return the sweep settings that a resumed sweep keeps."""
    return {name: value for name, value in given.items() if name not in ("output", "resume", "space")}


def _range_problems(job: TrainingJob, space: SearchSpace) -> list[str]:
    """Return what the checks of hyperparameters say about the ends of each range."""
    table, base, problems = table_of(job.algorithm), job.hyperparameters.to_strings(), []
    for name, values in space.dimensions.items():
        ends = values.choices or (f"{values.low:.15g}", f"{values.high:.15g}")
        for end in ends:
            try:
                table.parse({**base, name: end})
            except SettingsError as error:
                problems += [f"{problem} (a value of the range of hp.{name})" for problem in error.problems]
    return list(dict.fromkeys(problems))


def _most_epochs(job: TrainingJob, space: SearchSpace) -> int:
    varied = space.dimensions.get("epochs")
    if varied is None:
        return int(job.hyperparameters.epochs)
    return max(map(int, varied.choices)) if varied.choices else int(varied.high or 0)


def _new_path() -> Path:
    return Path("runs") / "sweeps" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")

"""``vision find-rate``: try learning rates in one short training, and suggest the one to train with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from vision.cli.composition import compose_settings, config_groups
from vision.cli.job import job_of
from vision.cli.overrides import read_overrides
from vision.cli.recipe import with_recipe
from vision.files.atomic_file import check_writable
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path
from vision.settings.table import Rule, SettingsTable

HELP = """\
Usage: vision find-rate PATH [recipe=NAME] [hp.NAME=VALUE] [run.NAME=VALUE] [name=value ...]
       vision find-rate algorithm=NAME hp.NAME=VALUE ... channels.NAME=PATH ... [run.NAME=VALUE] [name=value ...]

Takes what `vision train` takes and trains for a hundred updates, each at a higher learning rate than the one before.
While the rate is too low the loss stays, then it falls, and where the rate is too high it rises steeply. Prints the
rate in the middle of its longest fall, and writes the curve as PNG, HTML and CSV. No model is kept.

  low       the lowest rate (default: 1e-06)
  high      the highest rate (default: 1)
  updates   how many rates are tried (default: 100)
  output    folder for the files (default: run.output, else find-rate)

Example: vision find-rate photos/ hp.optimizer=adamw"""


def _range_problem(given: FindRateSettings) -> str | None:
    if given.low < given.high:
        return None
    return f"Setting low is {given.low:g} and high is {given.high:g}, but low must be below high: change one of them."


class FindRateSettings(SettingsTable):
    """Settings of ``vision find-rate`` itself."""

    NOUN: ClassVar[str] = "Setting"
    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("low", "high"), _range_problem),)

    low: float = Field(1e-6, gt=0, description="the lowest rate")
    high: float = Field(1.0, gt=0, description="the highest rate")
    updates: int = Field(100, ge=20, le=100_000, description="how many rates are tried")
    output: str | None = Field(None, description="folder for the files")


def run(argv: Sequence[str]) -> int:
    """Try the rates and print the suggestion. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    own = [word for word in argv if word.partition("=")[0] in FindRateSettings.model_fields]
    given = FindRateSettings.parse(dict(word.split("=", 1) for word in own if "=" in word))
    words = with_recipe([word for word in argv if word not in own], "find-rate")
    overrides = read_overrides(words, config_groups(tuple(words)))
    if overrides.problems:
        raise SettingsError(overrides.problems)
    job = job_of(compose_settings(overrides, words))
    folder = local_path(given.output or job.run.output or "find-rate")
    check_writable(folder / "rate_curve.html")
    print("vision: loading PyTorch", file=sys.stderr, flush=True)
    # Imported after the settings are checked: importing torch takes seconds.
    from vision.api.rate_finder import find_rate
    from vision.reports.rate_page import PAGE, explain, write_rate_curve

    curve = find_rate(job, low=given.low, high=given.high, updates=given.updates)
    write_rate_curve(folder, curve, f"Learning rate of {job.algorithm} on {job.channels['train'].path}")
    if curve.suggestion is not None:
        print(f"hp.learning_rate={curve.suggestion:g}")
    print(f"{explain(curve)} See {folder / PAGE}.")
    return 0

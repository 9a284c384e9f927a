"""``vision check``: everything that could fail in the first minutes of a job, in seconds and all at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from vision import algorithms
from vision.cli.composition import compose_settings, config_groups
from vision.cli.job import job_of
from vision.cli.overrides import read_overrides
from vision.cli.recipe import with_recipe
from vision.settings.channels import parse_channels
from vision.settings.errors import SettingsError, UserError, problems_of

if TYPE_CHECKING:
    from vision.api.check import CheckResult

HELP = """\
Usage: vision check PATH [recipe=NAME] [hp.NAME=VALUE] [run.NAME=VALUE]
       vision check algorithm=NAME hp.NAME=VALUE ... channels.NAME=PATH ... [run.NAME=VALUE]

Takes what `vision train` takes, trains nothing and writes nothing: checks hyperparameters, channels,
every label, the counts, the start model and a first batch, estimates the memory, and shows what the
log will look like. Exit status 0: the job can start; 2: every problem is printed.

Example: vision check algorithm=image_classification
         channels.train=train.rec channels.validation=test.rec"""


def run(argv: Sequence[str]) -> int:
    """Check one job and print what was found. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    argv = with_recipe(argv, "check")
    overrides = read_overrides(argv, config_groups(tuple(argv)))
    if overrides.problems:
        raise SettingsError(overrides.problems)
    settings = compose_settings(overrides, argv)
    try:
        job = job_of(settings)
    except UserError as error:
        # A fault in the data that prevents counting is found a second time with the data.
        found = dict.fromkeys([*problems_of(error), *_data_problems(settings["channels"], settings["algorithm"])])
        raise SettingsError(list(found)) from error
    from vision.api.check import check

    result = check(job)
    show(result)
    if result.problems:
        raise SettingsError(result.problems)
    return 0


def _data_problems(values: dict[str, object], algorithm: str | None) -> list[str]:
    """Return what is wrong with the data of the channels; nothing if the channels themselves are set wrongly."""
    try:
        channels = parse_channels(values, known=algorithms.channel_names())
    except SettingsError:
        return []
    from vision.api.check import check_channels

    facts = None
    with suppress(SettingsError):
        facts = algorithms.facts_of(algorithm or "")
    return check_channels(channels, facts)


def show(result: CheckResult) -> None:
    """Print facts and a preview of the log to stdout, warnings to stderr."""
    width = max((len(name) for name, _ in result.facts), default=0)
    for name, text in result.facts:
        print(f"{name:<{width}}  {text}")
    if not result.problems:
        print("\nthe log will look like this (numbers are made up):")
        for line in result.log_lines:
            print(f"  {line}")
    for warning in result.warnings:
        print(f"vision: warning: {warning}", file=sys.stderr)
    if not result.problems:
        print("\nno problem was found: this job can start")

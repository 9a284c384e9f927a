"""``vision evaluate``: a model's metrics on a validation channel, by the code that training uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vision.cli.assignments import Assignments, read_assignments
from vision.settings.channels import Channel, parse_channels
from vision.settings.errors import SettingsError, UserError
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.metrics.evaluation import Evaluation

HELP = """\
Usage: vision evaluate model=PATH channels.validation=PATH [channels.NAME=PATH] [run.NAME=VALUE] [output=FILE.json]

  model     a model folder, a model.tar.gz or a run folder
  channels  validation, and validation_lst or validation_annotation where the labels lie apart
  run       run settings, for example run.device=cpu (vision train --help lists them)
  output    also write the metrics and tables to this JSON file

Example: vision evaluate model=runs/first channels.validation=test.rec"""


def run(argv: Sequence[str]) -> int:
    """Evaluate, print the tables, write the JSON file if asked. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    given = read_assignments(argv, names=("model", "output"), sections=("channels", "run"))
    model, channels, settings = check(given, required_channels=("validation",))
    show(evaluate(model, channels, settings), model, given.names.get("output"))
    return 0


def check(given: Assignments, required_channels: Sequence[str]) -> tuple[Path, dict[str, Channel], RunSettings]:
    """The model's path, channels and run settings. Raises SettingsError with every problem."""
    problems: list[str] = []
    channels: dict[str, Channel] = {}
    settings = RunSettings()
    try:
        channels = parse_channels(given.sections.get("channels", {}), required_channels)
    except SettingsError as error:
        problems += error.problems
    try:
        settings = RunSettings.parse(given.sections["run"])
    except SettingsError as error:
        problems += error.problems
    model = given.names.get("model", "")
    if not model:
        problems.append("Setting model is required but missing: give model=PATH.")
    elif not Path(model).expanduser().exists():
        problems.append(
            f"Setting model is {model!r}, which does not exist: give a model folder, archive or run folder."
        )
    if problems:
        raise SettingsError(problems)
    return Path(model).expanduser(), channels, settings


def evaluate(model: Path, channels: dict[str, Channel], settings: RunSettings) -> Evaluation:
    """The api's evaluation; torch is imported here."""
    from vision import api

    return api.evaluate(model, channels, settings)


def show(evaluation: Evaluation, model: Path, output: str | None) -> None:
    """Print the tables and write the JSON file."""
    from vision.cli.terminal import print_evaluation
    from vision.reports.evaluation_json import write_evaluation

    print_evaluation(evaluation, str(model))
    if output:
        try:
            write_evaluation(Path(output).expanduser(), evaluation)
        except OSError as error:
            raise UserError(f"Setting output is {output!r}, which cannot be written: {error}.") from error

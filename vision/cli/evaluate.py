"""``vision evaluate``: a model's metrics on a validation channel, by the code that training uses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vision import algorithms
from vision.artifacts.model_place import look_at_model
from vision.cli.assignments import Assignments, fill_places, read_assignments
from vision.files.atomic_file import check_writable
from vision.settings.channels import Channel, parse_channels
from vision.settings.errors import SettingsError, UserError
from vision.settings.file_names import local_path
from vision.settings.job import RUN_FILE
from vision.settings.run import RunSettings
from vision.settings.thresholds import Thresholds

if TYPE_CHECKING:
    from vision.api import EvaluatedModel

HELP = """\
Usage: vision evaluate MODEL [IMAGES] [channels.NAME=PATH] [run.NAME=VALUE]
                       [threshold=NUMBER|model] [thresholds.LABEL=NUMBER] [output=FILE.json|FOLDER]

  model       a model folder, a model.tar.gz or a run folder
  images      labeled images as `vision train` takes them, or channels.validation (with validation_lst or
              validation_annotation where the labels lie apart); without any, those on which the model's run validated
  run         run settings, for example run.device=cpu (vision train --help lists them)
  threshold   the score from which a label counts as found, 0 to 1; "model" takes those that training stored; left out,
              each label gets the one of its best F1 on the evaluated images (Custom Labels' assumed threshold)
  thresholds  the same for single labels: thresholds.daisy=0.4
  output      also write the metrics and tables to this JSON file, or the whole report into this folder; with either
              EvaluationSummary-*.json and EvaluationManifest-*.manifest as Rekognition Custom Labels has them. The
              report shows the training images nearest to each mistake: those of the model's run, where they are still
              in their place, or channels.train

Example: vision evaluate runs/first test.rec threshold=0.5 output=runs/first/test"""

_OF_LABEL = "thresholds."
REPORT_PAGE = "report.html"


def run(argv: Sequence[str]) -> int:
    """Evaluate a model, print the tables, write the files if asked. Return the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    of_labels = [word for word in argv if word.startswith(_OF_LABEL) and "=" in word]
    others = [word for word in argv if word not in of_labels]
    names = ("model", "output", "threshold")
    words = read_assignments(others, names=names, sections=("channels", "run"), allow_files=True)
    given = with_data(fill_places(words, ("model", "images")))
    problems: list[str] = []
    thresholds = Thresholds()
    try:
        thresholds = Thresholds.parse(given.names.get("threshold"), _by_label(of_labels))
    except SettingsError as error:
        problems += error.problems
    try:
        model, channels, settings = check(given, required_channels=validation_channel(given))
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    if output := given.names.get("output"):
        path = local_path(output)
        check_writable(path if path.suffix == ".json" else path / REPORT_PAGE)
    show(evaluate(model, channels, settings, thresholds), model, given.names.get("output"))
    return 0


def _by_label(words: Sequence[str]) -> dict[str, object]:
    """Return the numbers of ``thresholds.LABEL=NUMBER`` by label; a label may have any characters."""
    pairs = (word.removeprefix(_OF_LABEL).rpartition("=") for word in words)
    return {label: number for label, _, number in pairs}


def with_data(given: Assignments) -> Assignments:
    """Return the words with the path of labeled images as the channels that it holds."""
    path = given.names.pop("images", None)
    if path is None:
        return given
    from vision.recipes.data_finder import validation_in

    channels = {name: str(place) for name, place in validation_in(local_path(path)).items()}
    sections = {**given.sections, "channels": {**channels, **given.sections["channels"]}}
    return Assignments(given.names, sections, given.files)


def validation_channel(given: Assignments) -> tuple[str, ...]:
    """Return the channel that must be given: none where the model lies in the folder of a run, which knows its own."""
    model = local_path(given.names.get("model", ""))
    is_of_run = any((folder / RUN_FILE).exists() for folder in (model, model.parent))
    return () if is_of_run and not given.sections["channels"] else ("validation",)


def check(given: Assignments, required_channels: Sequence[str]) -> tuple[Path, dict[str, Channel], RunSettings]:
    """Return the model's path, the channels and the run settings. Raises SettingsError with every problem."""
    problems: list[str] = []
    channels: dict[str, Channel] = {}
    settings = RunSettings()
    try:
        channels = parse_channels(given.sections.get("channels", {}), required_channels, algorithms.channel_names())
    except SettingsError as error:
        problems += error.problems
    try:
        settings = RunSettings.parse(given.sections["run"])
    except SettingsError as error:
        problems += error.problems
    model = given.names.get("model", "")
    if not model:
        problems.append("Setting model is required but missing: give model=PATH.")
    else:
        problems += model_problems("model", model)
    if problems:
        raise SettingsError(problems)
    return local_path(model), channels, settings


def model_problems(setting: str, model: str) -> list[str]:
    """Return what is visibly wrong with a model, before torch is imported to load it."""
    path = local_path(model)
    if not os.path.exists(path):
        return [f"Setting {setting} is {model!r}, which does not exist: give a model folder, archive or run folder."]
    try:
        look_at_model(path)
    except UserError as error:
        return [f"Setting {setting} is {model!r}: {error}."]
    return []


def evaluate(
    model: Path, channels: dict[str, Channel], settings: RunSettings, thresholds: Thresholds
) -> EvaluatedModel:
    """Evaluate the model. Torch is imported here, after every setting has been checked."""
    from vision import api

    return api.evaluate_model(model, channels, settings, thresholds)


def show(evaluated: EvaluatedModel, model: Path, output: str | None) -> None:
    """Print the tables; write the JSON file or the report, and the files of Custom Labels beside it."""
    from vision.cli.terminal import print_evaluation, print_verdict

    print_evaluation(evaluated.evaluation, str(model))
    if evaluated.evaluation.verdict is not None:
        print_verdict(evaluated.evaluation.verdict.sentences())
    if not output:
        return
    from vision.reports.custom_labels_files import write_evaluation_files
    from vision.reports.evaluation_json import write_evaluation

    path = local_path(output)
    if path.suffix == ".json":
        write_evaluation(path, evaluated.evaluation)
        for written in (path, *write_evaluation_files(path.parent, evaluated, model)):
            print(f"Wrote {written}")
    else:
        from vision.reports.report import write_evaluation_report

        print(f"report: {write_evaluation_report(path, evaluated, model)}")

"""``vision compare``: two models on the same images, and how sure the difference is."""

from __future__ import annotations

from collections.abc import Sequence

from vision.cli import evaluate
from vision.cli.assignments import fill_places, read_assignments
from vision.files.atomic_file import check_writable
from vision.progress_bar import progress_bar
from vision.settings.errors import SettingsError
from vision.settings.file_names import local_path

FEWEST_RESAMPLES, MOST_RESAMPLES, RESAMPLES = 100, 1_000_000, 2000

HELP = f"""\
Usage: vision compare MODEL OTHER [IMAGES] [channels.NAME=PATH] [run.NAME=VALUE]
                      [resamples={RESAMPLES}] [output=FOLDER]

  model      a model folder, a model.tar.gz or a run folder
  other      another one of the same kind, with the same classes
  images     labeled images as `vision train` takes them, or channels.validation (with validation_lst or
             validation_annotation where the labels lie apart); without any, those on which model's run validated
  run        run settings, for example run.device=cpu (vision train --help lists them); run.seed decides the draws
  resamples  how often images are resampled for the intervals
  output     also write comparison.html and comparison.json into this folder

Both models are measured on the same images. Intervals are 95 % ones of the paired bootstrap over images: what the
figures would be with other images of the same kind. other is better (or worse) if the interval of its difference
from model does not contain zero.

Example: vision compare runs/first runs/second test.rec output=runs/comparison"""


def run(argv: Sequence[str]) -> int:
    """Compare two models, print the tables and the verdict, write the page if asked. Return the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    names = ("model", "other", "resamples", "output")
    words = read_assignments(argv, names=names, sections=("channels", "run"), allow_files=True)
    given = evaluate.with_data(fill_places(words, ("model", "other", "images")))
    problems: list[str] = []
    other, resamples = given.names.get("other", ""), given.names.get("resamples", str(RESAMPLES))
    try:
        model, channels, settings = evaluate.check(given, required_channels=evaluate.validation_channel(given))
    except SettingsError as error:
        problems += error.problems
    if not other:
        problems.append("Setting other is required but missing: give other=PATH.")
    else:
        problems += evaluate.model_problems("other", other)
    if not (resamples.isdecimal() and FEWEST_RESAMPLES <= int(resamples[:9]) <= MOST_RESAMPLES):
        problems.append(
            f"Setting resamples is {resamples!r}: give an integer from {FEWEST_RESAMPLES} to {MOST_RESAMPLES}."
        )
    if problems:
        raise SettingsError(problems)
    output = given.names.get("output")
    if output:
        check_writable(local_path(output) / "comparison.html")
    from vision import api

    with progress_bar("Drawing images", int(resamples)) as advance:
        comparison = api.compare(model, local_path(other), channels, settings, int(resamples), advance)
    from vision.cli.terminal import print_table
    from vision.reports.comparison import tables, verdict, write_comparison

    for table in tables(comparison):
        print_table(table)
    for note in comparison.notes:
        print(note)
    print(verdict(comparison))
    if output:
        print(f"report: {write_comparison(local_path(output), comparison)}")
    return 0

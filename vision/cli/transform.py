"""``vision transform``: a folder of images to a folder of answers, as SageMaker's batch transform does."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vision.cli.assignments import fill_places, read_assignments
from vision.settings.errors import SettingsError, UserError
from vision.settings.file_names import local_path
from vision.settings.nearest import shown

if TYPE_CHECKING:
    from vision.serving.settings import ServingSettings

HELP = """\
Usage: vision transform MODEL INPUT OUTPUT [accept=MEDIA/TYPE] [suffix=.END] [NAME=VALUE ...]

  model    a model folder, a model.tar.gz or a run folder
  input    a folder: every file below it is one request: an image, or a .rec file with a line of output for each record;
           hidden files, earlier answers (.out), pipes and dead links are skipped, and named
  output   gets NAME.out for each NAME; what is there from an earlier run of this model is kept
  accept   application/jsonlines (the default where the model has it), application/json, or another of the model's
  suffix   the end of the answers' names, for example .png with accept=image/png: a.jpg gets a.png, not a.jpg.out
  verbose  true for answers with the names of classes, as accept='application/json;verbose' too
  device, threads, decode_threads, max_batch, max_pixels, max_archive_gb   as for vision serve

A bad file gets no output and makes the exit status 1; the other files are answered all the same.

Example: vision transform runs/first photos answers"""

SOME_FAILED = 1
LINES = "application/jsonlines"
_SETTINGS = ("model", "device", "threads", "decode_threads", "max_batch", "max_pixels", "max_archive_gb", "verbose")
_FOLDERS = ("input", "output")


def run(argv: Sequence[str]) -> int:
    """Answer a folder of images. Return the exit status: 0 all files answered, 1 some failed."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    try:
        from vision.serving.settings import ServingSettings
    except ModuleNotFoundError as error:
        raise UserError(f"transforming needs the package {error.name}: pip install 'vision[serve]'") from error
    words = read_assignments(argv, (*_SETTINGS, *_FOLDERS, "accept", "suffix"), sections=(), allow_files=True)
    given = fill_places(words, ("model", *_FOLDERS)).names
    problems = [
        f"Setting {name} is required but missing: give {name}=FOLDER." for name in _FOLDERS if name not in given
    ]
    suffix = given.get("suffix")
    if suffix is not None and not re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix):
        problems.append(f"Setting suffix is {shown(suffix)}: give a dot and up to 8 letters or digits, as in .png.")
    settings = None
    try:
        settings = ServingSettings.parse({name: given[name] for name in _SETTINGS if name in given})
    except SettingsError as error:
        problems += error.problems
    if problems or settings is None:
        raise SettingsError(problems)
    source, target = (local_path(given[name]) for name in _FOLDERS)
    return transform(settings, source, target, given.get("accept", ""), suffix)


def transform(settings: ServingSettings, source: Path, target: Path, accept: str, suffix: str | None) -> int:
    """Transform with checked settings; torch is imported here."""
    from vision.serving.batch_transform import BatchTransform
    from vision.serving.hosted_model import HostedModel
    from vision.serving.hosted_network import SharedResources
    from vision.serving.media_types import choose_form
    from vision.serving.metrics import Metrics
    from vision.serving.request_failure import RequestFailure

    model = HostedModel.load(settings.model, SharedResources(settings, Metrics()))
    try:
        form = choose_form(accept, LINES, model.forms, verbose=settings.verbose)
    except RequestFailure as failure:
        raise UserError(f"Setting accept{failure.sentence.removeprefix('Accept')}.") from None

    def report(sentence: str) -> None:
        print(f"vision: {sentence}", file=sys.stderr)

    job = BatchTransform(model, source, target, form, report, suffix)
    result = job.run(at_once=2 * settings.max_batch)
    kept = f", {result.kept} kept from before" if result.kept else ""
    passed = f", {len(result.passed_over)} passed over" if result.passed_over else ""
    print(f"{result.done} of {result.done + len(result.failed)} files answered{kept}{passed}: {target}")
    return SOME_FAILED if result.failed else 0

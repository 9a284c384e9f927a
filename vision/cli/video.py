"""``vision video``: what a model sees in videos and live streams, frame by frame."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from vision.cli.assignments import fill_places, read_assignments
from vision.cli.evaluate import model_problems
from vision.data.problems import EqualProblems
from vision.reports.formatting import duration_text, printable
from vision.settings.counted import counted
from vision.settings.errors import DataError, SettingsError
from vision.settings.file_names import local_path
from vision.settings.run import RunSettings
from vision.settings.video import VideoSettings
from vision.video.sources import Source, find_sources

if TYPE_CHECKING:
    from vision.video.watching import VideoSummary, Watching

HELP = """\
Usage: vision video CLIP|FOLDER|NUMBER|URL ... model=MODEL output=FOLDER [fps=2] [track=true] [run.NAME=VALUE]

Looks at frames of videos (MP4, MOV, MKV, WebM, AVI), of cameras by their number, and of streams (rtsp, http), until
their end or Ctrl-C, which leaves whole files. Writes into FOLDER, which must be new, for each of several videos into a
folder of its own there:
  frames.jsonl    a line for each frame: its number and time, and objects (boxes in fractions of the frame) with their
                  tracks, or labels and those smoothed over a second, or shares of the pixels
  mot.txt         the tracks as MOTChallenge text, and tracks.csv: when each came and went
  labels.csv      when each label came and went, of a model that labels whole images
  annotated.mp4   the frames with what was seen drawn in
  worth_labeling  frames worth a label, with files for labeling tools as `vision label select` writes them

  fps       frames a second that are looked at, by the times in the file; without it, all
  track     follow objects from frame to frame: true where the model finds boxes, unless false
  score     boxes below begin no track, and are left out unless they belong to one (default 0.5)
  seconds, frames   leave a video after so many seconds of it, or frames looked at
  annotate  false: no annotated.mp4
  label     how many frames to choose as worth a label (default 20; 0: none)
  model     a model folder, a model.tar.gz or a run folder
  run       run settings, for example run.device=cpu (vision train --help lists them)

A live stream drops frames that come while the model is busy, and says how many. The exit status is 1 if a video could
not be read, and 130 if Ctrl-C ended one before its end.

Example: vision video clip.mp4 model=runs/cells fps=2 track=true output=seen"""

SOME_FAILED = 1
INTERRUPTED = 128 + signal.SIGINT
_MOST_SENTENCES = 10
_NO_MODEL = "Setting model is required but missing: give model=PATH."


def run(argv: Sequence[str]) -> int:
    """Look at every video. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    names = ("model", *VideoSettings.model_fields)
    given = fill_places(read_assignments(argv, names=names, sections=("run",), allow_files=True), (), takes_more=True)
    model_name = given.names.get("model", "")
    problems = model_problems("model", model_name) if model_name else [_NO_MODEL]
    try:
        settings = VideoSettings.parse({name: text for name, text in given.names.items() if name != "model"})
    except SettingsError as error:
        problems += error.problems
    try:
        run_settings = RunSettings.parse(given.sections["run"])
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    sources = find_sources(given.files)
    # Imported after the settings are checked: importing OpenCV and torch takes seconds.
    from vision import api
    from vision.video.watching import Watching

    model = api.load(local_path(model_name), run_settings)
    watching = Watching(model, settings, Path(model_name).name, several=len(sources) > 1)
    failed = EqualProblems()
    with _until_interrupted(watching):
        summaries = list(_watch_all(watching, sources, failed))
        written = watching.close()
    _print_summaries(summaries)
    for path in [*(path for one in summaries for path in one.files), *written]:
        print(f"  {path}")
    for sentence in failed.lines(_MOST_SENTENCES):
        print(f"vision: not read: {printable(sentence)}", file=sys.stderr)
    # A live stream has no other end; a file has.
    if watching.is_stopped and not (len(summaries) == len(sources) and all(one.is_live for one in summaries)):
        return INTERRUPTED
    return SOME_FAILED if failed.count else 0


def _watch_all(watching: Watching, sources: Sequence[Source], failed: EqualProblems) -> Iterator[VideoSummary]:
    for source in sources:
        if watching.is_stopped:
            return
        try:
            yield watching.watch(source, shows_progress=True)
        except DataError as error:
            failed.add_sentence(str(error))


@contextmanager
def _until_interrupted(watching: Watching) -> Iterator[None]:
    """Let the first Ctrl-C, or SIGTERM, end the watching in good order; the second one ends the program."""

    def receive(signum: int, frame: FrameType | None) -> None:
        if watching.is_stopped:
            raise KeyboardInterrupt
        watching.stop()
        # Not by print, which may be interrupted in the middle of another line.
        os.write(2, b"vision: finishing the files; Ctrl-C again ends at once\n")

    former = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _print_summaries(summaries: Sequence[VideoSummary]) -> None:
    from vision.cli.terminal import print_table
    from vision.metrics.evaluation import Table

    for one in summaries:
        per_second = one.frames / max(one.took_s, 1e-9)
        dropped = f", {counted(one.dropped, 'frame')} dropped while the model was busy" if one.dropped else ""
        looked = f"{counted(one.frames, 'frame')} of {duration_text(one.seconds)}"
        print(f"{printable(one.name)}: {looked} in {duration_text(one.took_s)}, {per_second:.1f} a second{dropped}")
        for remark in one.remarks:
            print(f"  {printable(remark)}")
        if one.classes:
            rows = tuple((printable(seen.label), seen.times, seen.frames, seen.mean_score) for seen in one.classes)
            print_table(Table("Seen", ("label", "times", "frames", "mean score"), rows))

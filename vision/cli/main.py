"""The command ``vision`` and its verbs. Imports nothing heavy; a verb's module is imported when the verb is used."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from vision.files.write_error import machine_trouble
from vision.settings.errors import UserError
from vision.settings.file_names import name_problem, shown_name
from vision.settings.nearest import did_you_mean, shown

USER_ERROR = 2
# Statuses above this say that a signal, by its number, ended the job.
SIGNALLED = 128
INTERRUPTED = SIGNALLED + 2
# Help is written for this many columns, which a file or a pipe has; in fewer than those below no words fit.
_FILE_COLUMNS, _FEWEST_COLUMNS = 105, 40


@dataclass(frozen=True)
class Verb:
    """A verb of the command: the module whose ``run(argv)`` returns the exit status, and its line in the help."""

    module: str
    summary: str


VERBS: dict[str, Verb] = {
    "train": Verb("vision.cli.train", "train a model, from scratch, pretrained or continued"),
    "baseline": Verb("vision.cli.baseline", "train what people used before networks, in a minute, as a yardstick"),
    "check": Verb("vision.cli.check", "find everything that is wrong with a job before it trains"),
    "find-rate": Verb("vision.cli.find_rate", "try learning rates in one short training, and suggest one"),
    "sweep": Verb("vision.cli.sweep", "find good hyperparameters: many runs, hopeless ones ended early"),
    "evaluate": Verb("vision.cli.evaluate", "measure a model on a validation channel"),
    "compare": Verb("vision.cli.compare", "measure two models on the same images: is one of them better?"),
    "predict": Verb("vision.cli.predict", "say what a model sees in images"),
    "index": Verb("vision.cli.index", "make images searchable by what they show"),
    "search": Verb("vision.cli.search", "find the images of an index that look like a photo"),
    "duplicates": Verb("vision.cli.duplicates", "find copies among the images of an index, also changed ones"),
    "label": Verb("vision.cli.label", "choose the images that are worth a label, for a labeling tool"),
    "video": Verb("vision.cli.video", "say what a model sees in videos and live streams, and follow objects"),
    "import-mxnet": Verb("vision.cli.import_mxnet", "open a model of SageMaker's own containers or of MXNet"),
    "serve": Verb("vision.cli.serve", "answer over HTTP as a SageMaker endpoint does"),
    "aws": Verb("vision.cli.aws", "answer boto3, the AWS CLI and the SageMaker SDK on this machine"),
    "transform": Verb("vision.cli.transform", "answer a folder of images, as a SageMaker transform job does"),
    "export": Verb("vision.cli.export", "write a model as ONNX, for torch.export, as TorchScript or for MXNet"),
    "im2rec": Verb("vision.cli.im2rec", "list images, and pack them into .rec files, as MXNet's tool does"),
    "inspect": Verb("vision.cli.inspect", "say what a data set holds and what is wrong with it"),
    "split": Verb("vision.cli.split", "share a data set out into train and validation"),
    "convert": Verb("vision.cli.convert", "turn a data set from one format into another"),
    "doctor": Verb("vision.cli.doctor", "say what this machine has, what is missing, and how fast it is"),
    "sample-data": Verb("vision.cli.sample_data", "write a small data set to try things on"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status: 0 done, 2 an error that the user can correct, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        # File names may have letters that the terminal lacks. This also flushes what is waiting to be written.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        for word in arguments:
            if problem := name_problem(word):
                raise UserError(f"Argument {shown_name(word)} {problem}.")
        return _dispatch(arguments)
    except UserError as error:
        print_problems(error)
        return USER_ERROR
    except KeyboardInterrupt:
        print("vision: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output, such as `head`, has closed it. Keep Python from failing again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk or missing permission that was not handled closer; anything else is a defect: keep its traceback.
        sentence = machine_trouble(error)
        if sentence is None:
            raise
        print(f"vision: {sentence}", file=sys.stderr)
        return USER_ERROR


def print_problems(error: UserError) -> None:
    """Print each problem on a line of its own to stderr."""
    for line in str(error).split("\n"):
        print(f"vision: {line}", file=sys.stderr)


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        print(_help())
        return USER_ERROR
    name, *rest = arguments
    if name == "help" and rest:
        name, rest = rest[0], [*rest[1:], "--help"]
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name in ("-V", "--version", "version"):
        import vision

        print(f"vision {vision.__version__}")
        return 0
    if name not in VERBS:
        raise UserError(f"Verb {shown(name)} is unknown: {did_you_mean(name, VERBS)}")
    verb = importlib.import_module(VERBS[name].module).run
    if not {"-h", "--help"}.intersection(rest):
        return int(verb(rest))
    with io.StringIO() as told, contextlib.redirect_stdout(told):
        status = int(verb(rest))
        text = told.getvalue()
    print(wrapped(text, shutil.get_terminal_size((_FILE_COLUMNS, 1)).columns), end="")
    return status


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {name:<{width}}  {verb.summary}" for name, verb in VERBS.items())
    return f"""\
SageMaker's built-in vision algorithms on PyTorch, on your machine.

Usage: vision VERB [name=value ...]

{verbs}

Settings: hp.NAME= a hyperparameter as SageMaker documents it, channels.NAME= a channel's path,
run.NAME= where and how it runs, model= a model folder, a model.tar.gz or a run folder.

`vision help VERB` explains a verb, `vision help train algorithm=image_classification` every
setting, `vision version` prints the version."""


# The first column of a table with the blanks before the second; a line of running text.
_FIRST_COLUMN = re.compile(r" +\S+(?: \S+)*?  +(?=\S)")
_RUNNING = re.compile(r"(?!Usage:|Examples?:)\S(?!.*  )")


def wrapped(text: str, width: int) -> str:
    """Return help broken anew between words where it is wider; tables keep their columns, commands their lines."""
    lines = text.splitlines()
    if max(map(len, lines), default=0) <= width:
        return text
    # A passage, the margin at which it goes on, and whether lines at that margin belong to it.
    parts: list[tuple[str, int, bool]] = []
    for line in lines:
        margin = len(line) - len(line.lstrip())
        column = _FIRST_COLUMN.match(line)
        before, expected, takes_more = parts[-1] if parts else ("", 0, False)
        is_more = margin == expected and column is None and (bool(margin) or _RUNNING.match(line) is not None)
        if takes_more and is_more:
            parts[-1] = (f"{before} {line.strip()}", expected, True)
        elif column is not None:
            parts.append((line, len(column[0]), True))
        elif _RUNNING.match(line):
            parts.append((line, 0, True))
        else:
            parts.append((line, margin + 4, False))
    return "".join(f"{line}\n" for passage, margin, _ in parts for line in _broken(passage, margin, width))


def _broken(passage: str, margin: int, width: int) -> list[str]:
    if len(passage) <= width or passage.endswith("\\"):
        return [passage]
    return textwrap.wrap(
        passage,
        max(width, _FEWEST_COLUMNS),
        subsequent_indent=" " * min(margin, width // 2),
        break_long_words=False,
        break_on_hyphens=False,
    )

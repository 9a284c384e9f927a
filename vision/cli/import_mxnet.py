"""``vision import-mxnet``: a model of SageMaker's containers or of MXNet becomes a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vision.cli.assignments import Assignments, read_assignments
from vision.settings.counted import counted
from vision.settings.errors import SettingsError, UserError
from vision.settings.file_names import local_path
from vision.settings.nearest import shown
from vision.settings.run import RunSettings

if TYPE_CHECKING:
    from vision.interop.imported_model import ImportOptions

HELP = """\
Usage: vision import-mxnet MODEL [output=FOLDER] [labels=FILE] [epoch=N] [image_shape=3,H,W] [mean=R,G,B]

  MODEL        model.tar.gz of SageMaker's Image Classification or Object Detection, a folder with its files
               (*-symbol.json and *-NNNN.params), or one *-symbol.json in such a folder
  output       the model folder to write; without it, NAME-imported in the current folder
  labels       class names in the order of the class ids, a file of one name a line or a,b,c
  epoch        which of several *-NNNN.params; the latest if left out
  image_shape  size of the images, where no file says it
  mean         what was subtracted from the pixels (0..255), if the guess from the network's statistics is wrong;
               mean=0 for raw pixels

Every verb opens such a model directly; use this one to look at it, to name its classes once and for all, or to
keep it in the current format.

Example: vision import-mxnet model.tar.gz labels=classes.txt output=models/flowers"""


def run(argv: Sequence[str]) -> int:
    """Import a model, write its folder and print what was decided. Return the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    names = ("output", "labels", "epoch", "image_shape", "mean")
    given = read_assignments(argv, names=names, sections=(), allow_files=True)
    if len(given.files) != 1:
        raise UserError(
            f"import-mxnet takes one model, but was given {len(given.files)}: give a model.tar.gz or a folder"
        )
    model = local_path(given.files[0])
    output = local_path(given.names.get("output") or f"{model.name.partition('.')[0] or 'model'}-imported")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(
            f"Setting output is {shown(str(output))}, which exists already: give output=FOLDER of a new name"
        )
    options = read_options(given)
    from vision.interop.mxnet_import import import_mxnet

    imported = import_mxnet(model, options)
    imported.save(output)
    for remark in imported.remarks:
        print(remark)
    hyperparameters = imported.description.hyperparameters
    kind = hyperparameters.get("num_layers") or hyperparameters.get("base_network")
    classes = counted(len(imported.description.class_names), "class")
    print(f"Imported {imported.description.algorithm} ({kind}, {classes}): {output}")
    return 0


def read_options(given: Assignments) -> ImportOptions:
    """Return what the user says about the model. Raises SettingsError with every problem."""
    from vision.interop.imported_model import ImportOptions

    problems: list[str] = []
    labels = None
    if "labels" in given.names:
        try:
            labels = RunSettings.parse({"class_names": given.names["labels"]}).class_names
        except SettingsError as error:
            problems += [problem.replace("Run setting class_names", "Setting labels") for problem in error.problems]
    epoch = _numbers(given, "epoch", (1,), "one whole number, as in epoch=12", problems)
    shape = _numbers(given, "image_shape", (3,), "channels,height,width, as in image_shape=3,224,224", problems)
    mean = _numbers(given, "mean", (1, 3), "one number or three from 0 to 255, as in mean=123,117,104", problems)
    if problems:
        raise SettingsError(problems)
    return ImportOptions(
        labels=labels,
        epoch=None if epoch is None else int(epoch[0]),
        image_shape=None if shape is None else (int(shape[0]), int(shape[1]), int(shape[2])),
        mean=mean,
    )


def _numbers(
    given: Assignments, name: str, counts: tuple[int, ...], wanted: str, problems: list[str]
) -> tuple[float, ...] | None:
    if name not in given.names:
        return None
    try:
        values = tuple(float(part) for part in given.names[name].split(","))
    except ValueError:
        values = ()
    whole = name == "mean" or all(value == int(value) for value in values if abs(value) < 1e9)
    most = 255 if name == "mean" else 1e9
    if len(values) not in counts or not whole or not all(0 <= value <= most for value in values):
        problems.append(f"Setting {name} is {shown(given.names[name])} but must be {wanted}.")
        return None
    return values

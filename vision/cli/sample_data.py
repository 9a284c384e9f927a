"""``vision sample-data``: write a small data set to try things on, without a download."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from vision.cli.assignments import read_assignments
from vision.settings.counted import counted
from vision.settings.errors import UserError
from vision.settings.file_names import local_path
from vision.settings.nearest import did_you_mean, shown
from vision.settings.table import SettingsTable

HELP = """\
Usage: vision sample-data digits FOLDER [seed=0]
       vision sample-data scenes FOLDER [train=600] [validation=120] [classes=3] [seed=0]
       vision sample-data shapes FOLDER [train=400] [validation=80] [side=128] [seed=0]

  digits  1797 handwritten digits at 28x28, for image classification with 10 classes
  scenes  300x300 scenes of 1 to 6 digits, for object detection; train and validation are numbers of
          scenes, classes how many digits (from 0) are in them
  shapes  scenes of discs, squares and triangles with a mask each, for semantic segmentation; side is
          that of a scene in pixels

Digits and scenes are written as train.rec and validation.rec (with .idx), shapes as images and masks in the
folders train, train_annotation, validation and validation_annotation; each with classes.txt, into FOLDER. The
digits come with scikit-learn: pip install 'vision[quickstart]'.

Example: vision sample-data digits data/digits"""


class DigitSettings(SettingsTable):
    """Settings of ``digits``."""

    seed: int = Field(0, ge=0, lt=2**32, description="draws which images are kept for validation")


class SceneSettings(SettingsTable):
    """Settings of ``scenes``."""

    train: int = Field(600, ge=1, le=1_000_000, description="number of scenes to train on")
    validation: int = Field(120, ge=1, le=1_000_000, description="number of scenes to evaluate on")
    classes: int = Field(3, ge=1, le=10, description="number of digits, from 0")
    seed: int = Field(0, ge=0, lt=2**32, description="draws the scenes")

    NOUN: ClassVar[str] = "Scene setting"


class ShapeSettings(SettingsTable):
    """Settings of ``shapes``."""

    train: int = Field(400, ge=1, le=100_000, description="number of scenes to train on")
    validation: int = Field(80, ge=1, le=100_000, description="number of scenes to evaluate on")
    side: int = Field(128, ge=32, le=2048, description="side of a scene in pixels")
    seed: int = Field(0, ge=0, lt=2**32, description="draws the scenes")

    NOUN: ClassVar[str] = "Shape setting"


@dataclass(frozen=True)
class SampleSet:
    """One kind of sample data: its settings and ``write(folder, settings)``, which returns the images in each part.

    A part is written to its name with ``suffix``.
    """

    settings: type[SettingsTable]
    write: Callable[[Path, Any], Mapping[str, int]]
    suffix: str = ".rec"


def run(argv: Sequence[str]) -> int:
    """Write one data set. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    kind = argv[0] if argv else ""
    if kind not in _SETS:
        raise UserError(f"Sample data {shown(kind)} is unknown: {did_you_mean(kind, _SETS)}")
    chosen = _SETS[kind]
    given = read_assignments(argv[1:], names=tuple(chosen.settings.model_fields), sections=(), allow_files=True)
    if len(given.files) != 1:
        received = ", ".join(map(shown, given.files)) or "none"
        raise UserError(f"One output folder is needed but {received} given: write vision sample-data {kind} FOLDER.")
    folder = local_path(given.files[0])
    counts = chosen.write(folder, chosen.settings.parse(given.names))
    for name, count in counts.items():
        print(f"{folder / name}{chosen.suffix}: {counted(count, 'image')}")
    return 0


def _write_digits(folder: Path, settings: DigitSettings) -> Mapping[str, int]:
    from vision.data.sample_data.digits import write_digits

    return write_digits(folder, settings.seed)


def _write_scenes(folder: Path, settings: SceneSettings) -> Mapping[str, int]:
    from vision.data.sample_data.scenes import write_scenes

    return write_scenes(
        folder,
        train=settings.train,
        validation=settings.validation,
        classes=settings.classes,
        seed=settings.seed,
    )


def _write_shapes(folder: Path, settings: ShapeSettings) -> Mapping[str, int]:
    from vision.data.sample_data.shapes import write_shapes

    return write_shapes(
        folder, train=settings.train, validation=settings.validation, side_px=settings.side, seed=settings.seed
    )


_SETS = {
    "digits": SampleSet(DigitSettings, _write_digits),
    "scenes": SampleSet(SceneSettings, _write_scenes),
    "shapes": SampleSet(ShapeSettings, _write_shapes, suffix=""),
}

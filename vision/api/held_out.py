"""What a run holds out of channel train, kept in its folder so that resuming and evaluating use the same images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vision.data.hold_out import hold_out
from vision.data.masks.label_map import MOST_CLASSES, read_label_map
from vision.data.readers.subset import SubsetReader
from vision.data.sample import Reader
from vision.data.stratification import usual_folds
from vision.files.atomic_file import write_whole
from vision.settings.channels import LABEL_MAP, Channel
from vision.settings.counted import counted
from vision.settings.errors import UserError
from vision.settings.job import RUN_FILE
from vision.settings.run import RunSettings
from vision.settings.strict_json import read_json

HELD_OUT = "held_out.json"


@dataclass(frozen=True)
class HeldOut:
    """Which of the ``images`` of channel train are held out: ``indices`` int64 [n], sorted, and their keys."""

    images: int
    indices: np.ndarray
    keys: tuple[str, ...]

    @classmethod
    def choose(cls, reader: Reader, channels: Mapping[str, Channel], run: RunSettings) -> HeldOut:
        """Hold out ``run.validation_share`` of the channel. Raises UserError where there are too few images."""
        assert run.validation_share is not None
        folder = channels[LABEL_MAP].path if LABEL_MAP in channels else None
        label_map = read_label_map(folder, "train", MOST_CLASSES)
        indices = hold_out(reader, run.validation_share, run.seed, label_map)
        return cls(len(reader), indices, tuple(map(reader.key, indices.tolist())))

    @classmethod
    def read(cls, folder: Path) -> HeldOut | None:
        """Return what the run in ``folder`` holds out; None if it holds out nothing. Raises UserError."""
        path = folder / HELD_OUT
        if not path.exists():
            return None
        try:
            stored = read_json(path)
            indices, keys = np.array(stored["indices"], np.int64), tuple(map(str, stored["keys"]))
            found = cls(int(stored["images"]), indices, keys)
            if indices.shape != (len(keys),) or not ((indices >= 0) & (indices < found.images)).all():
                raise ValueError("indices and keys do not fit")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} does not say which images are held out ({error}): start a new run") from error
        return found

    def warning(self, num_classes: int) -> str | None:
        """Return a sentence where fewer images are held out than there are classes; None where enough are."""
        count, folds = len(self.keys), usual_folds(self.images)
        if count >= num_classes:
            return None
        return (
            f"{count} of {counted(self.images, 'image')} {'is' if count == 1 else 'are'} held out for validation, "
            f"fewer than the {num_classes} classes, so that the figures mean next to nothing: run.folds={folds} trains "
            f"{folds} times and measures on every image"
        )

    def write(self, folder: Path) -> None:
        """Write the choice into a run folder."""
        document = {"images": self.images, "indices": self.indices.tolist(), "keys": self.keys}
        write_whole(folder / HELD_OUT, json.dumps(document, indent=1) + "\n")

    def parts(self, reader: Reader) -> tuple[SubsetReader, SubsetReader]:
        """Return the part to train on and the held out part. Raises UserError if the channel has changed."""
        if len(reader) != self.images or tuple(map(reader.key, self.indices.tolist())) != self.keys:
            raise UserError(
                f"channel 'train' holds {len(reader)} images that are not the {self.images} of which the run held some "
                "out: put the data back, or start a new run"
            )
        rest = np.setdiff1d(np.arange(self.images), self.indices)
        return SubsetReader(reader, rest), SubsetReader(reader, self.indices)


def channels_of_run(folder: Path) -> dict[str, Channel] | None:
    """Return the channels with which the run in ``folder`` was trained; None without a run there. Raises UserError."""
    path = folder / RUN_FILE
    if not path.exists():
        return None
    try:
        stored = read_json(path)["channels"]
        return {str(name): Channel.parse(str(name), value) for name, value in stored.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not the settings file of a run ({error})") from error

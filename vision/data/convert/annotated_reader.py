"""Reader of annotated data sets (COCO, VOC, YOLO and others) for training and evaluation, without a conversion."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vision.data.convert.annotated_image import fitted
from vision.data.convert.conversion import WithoutCrowds
from vision.data.convert.format import DatasetFormat, Source, SourceOptions
from vision.data.convert.label_forms import packed_label
from vision.data.convert.survey import survey
from vision.data.readers.file_table import FileTable, file_size_px
from vision.data.sample import Sample
from vision.data.skipped import Skipped
from vision.settings.errors import DataError

log = logging.getLogger(__name__)


class AnnotatedReader:
    """The images of an annotated data set with the labels that ``vision convert to=recordio`` would give them.

    Targets are packed labels, float32 [W]. ``path`` and ``form`` say in messages what is read; ``remarks`` say what is
    used in another way than it is written. Raises DataError with every kind of problem and the command that converts
    the rest.
    """

    def __init__(self, source: Source, path: Path, form: str, split: str | None) -> None:
        skipped = Skipped()
        source = WithoutCrowds(source)
        plan = survey(source).plan
        self.class_names = None if source.class_names is None else plan.class_names
        keys: list[str] = []
        paths: list[str] = []
        labels: list[np.ndarray] = []
        for image in source.images(skipped):
            try:
                if not isinstance(image.image, Path):
                    raise DataError(image.key, "holds its image itself, which is read by a conversion only")
                size_px = file_size_px(image.image, image.key)
                placed = fitted(image, size_px, skipped)
            except DataError as error:
                skipped.add(error.key, error.reason)
                continue
            keys.append(image.key)
            paths.append(str(image.image.resolve()))
            labels.append(np.array(packed_label(placed, size_px, plan), np.float32))
        problems = skipped.summary("record")
        if problems:
            raise DataError(
                str(path),
                "\n".join([f"{len(skipped)} problems:", *problems[1:]])
                + f"\nMend them, or leave them out: {convert_command(path, form, split)}",
            )
        self.remarks = tuple(f"{path}: {note}" for note in skipped.notes)
        # A table of paths holds any texts; these are only shown.
        self._keys, self._files = FileTable(path, keys), FileTable(path, paths)
        self._labels = np.concatenate([*labels, np.empty(0, np.float32)])
        self._ends = np.cumsum([len(label) for label in labels], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Sample:
        key = self.key(index)
        return Sample(self._files.read(index, key), self.target(index), key)

    def target(self, index: int) -> np.ndarray:
        """Return the packed label of one image, float32 [W]."""
        start = int(self._ends[index - 1]) if index else 0
        return self._labels[start : int(self._ends[index])].copy()

    def key(self, index: int) -> str:
        """Return the label file or entry with the image, such as ``a.xml (a.jpg)``."""
        return self._keys[index]


def open_annotated(
    path: Path, form: DatasetFormat, channel: str, class_names: Sequence[str] | None, *, is_shared: bool
) -> AnnotatedReader:
    """Return the reader of a data set, of the part that is for ``channel`` where the data set has parts.

    ``class_names`` are those of training, whose ids the classes get. ``is_shared``: training and validation name the
    same path, so that the parts' names tell them apart. Raises UserError.
    """
    source, chosen, split = _open(path, form, channel, is_shared, class_names)
    if split is not None or chosen != path:
        log.info("channel %r: %s of %s", channel, split or chosen.name, path)
    return AnnotatedReader(source, chosen, form.name, split)


def training_names(path: Path, form: DatasetFormat, *, is_shared: bool) -> tuple[str, ...] | None:
    """Return the class names of the data set of the channel train, by which validation numbers its own."""
    return _open(path, form, "train", is_shared, None)[0].class_names


def _open(
    path: Path, form: DatasetFormat, channel: str, is_shared: bool, class_names: Sequence[str] | None
) -> tuple[Source, Path, str | None]:
    assert form.channel is not None
    chosen, split = form.channel.part(path, channel, is_shared)
    names = None if class_names is None else tuple(class_names)
    return form.source(chosen, SourceOptions(split=split, class_names=names)), chosen, split


def convert_command(path: Path, form: str, split: str | None = None) -> str:
    """Return the command that makes RecordIO of a data set."""
    part = f" split={shlex.quote(split)}" if split else ""
    output = shlex.quote(str(path.with_name(f"{path.stem}{f'-{split}' if split else ''}.rec")))
    return f"vision convert from={form} to=recordio input={shlex.quote(str(path))}{part} output={output}"

"""The labels of one pass over a stream, and its images' sizes, which are looked at when it has passed."""

from __future__ import annotations

from contextlib import suppress
from typing import NoReturn

from vision.data.boxes.image_size import stated_size_of
from vision.data.image_codec import image_size
from vision.data.readers.pipe import PipeReader
from vision.data.sample import RawTarget, Sample
from vision.settings.errors import DataError


class PassLabels:
    """A ``Reader`` as far as labels go: the images are gone. Of those whose label states a size, theirs was kept."""

    class_names: tuple[str, ...] | None = None

    def __init__(self, reader: PipeReader) -> None:
        self._reader = reader
        self._targets: list[RawTarget] = []
        # Of each label, the number of its record in the pass.
        self._records: list[int] = []
        self._sizes_px: dict[int, tuple[int, int]] = {}

    def add(self, record: int, sample: Sample) -> None:
        """Keep the label of a record."""
        if stated_size_of(sample.target) is not None:
            with suppress(DataError):
                # What is wrong with an image is said where it is decoded.
                self._sizes_px[len(self._records)] = image_size(sample.encoded, sample.key)
        self._records.append(record)
        self._targets.append(sample.target)

    def __len__(self) -> int:
        return len(self._targets)

    def target(self, index: int) -> RawTarget:
        return self._targets[index]

    def key(self, index: int) -> str:
        return self._reader.key(self._records[index])

    def image_size_px(self, index: int) -> tuple[int, int]:
        """(width, height) of the upright image. Raises DataError where it was not to be had."""
        if index not in self._sizes_px:
            raise DataError(self.key(index), "has no size that could be read")
        return self._sizes_px[index]

    def __getitem__(self, index: int) -> NoReturn:
        raise DataError(self.key(index), "was streamed and cannot be read again; File mode keeps the data")

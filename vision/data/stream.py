"""Batches from a channel that can only be read from start to end (Pipe mode), decoded by threads.

The arithmetic is ``TrainSampler``'s: floor(images / batch) batches an epoch, what is left over opens the next epoch,
and the seed of an image follows from run seed, pass and place in the pass. So a pass in File mode's stored order and
one through a pipe give the same batches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch.utils.data import IterableDataset

from vision.data.boxes.image_size import stated_size_of
from vision.data.broken_images import Broken, first_usable
from vision.data.collate import Batch
from vision.data.dataset import ImagePipeline, Prepared, Transform
from vision.data.image_codec import image_size
from vision.data.prefetch import Prefetch
from vision.data.readers.pipe import PipeReader
from vision.data.sample import RawTarget, Sample
from vision.data.sampler import TrainEpochs
from vision.data.seeds import image_seeds
from vision.settings.errors import DataError

log = logging.getLogger(__name__)

PREFETCHED_BATCHES = 4


@dataclass(frozen=True)
class _Place:
    """One sample with its number in the pass and the seed of its augmentation."""

    sample: Sample
    index: int
    seed: int


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


class StreamDataset(ImagePipeline):
    """Makes batches from a stream of samples; the counterpart of ``ImageDataset``.

    ``check_labels`` is called at the end of each pass with its labels, and may raise UserError. Labels that cannot be
    used are not among them: their images count as broken. Nor are images that label pixels, of which a pass would be
    more than memory holds: they are judged where they are decoded.
    """

    def __init__(
        self,
        reader: PipeReader,
        decode_target: Callable[[RawTarget, str], Any],
        transform: Transform,
        collate_targets: Callable[[list[Any]], Any],
        *,
        threads: int,
        check_labels: Callable[[PassLabels], None] = lambda labels: None,
        scaled_decode: bool = False,
    ) -> None:
        super().__init__(decode_target, transform, collate_targets, scaled_decode=scaled_decode)
        self.reader = reader
        self.threads = threads
        self.check_labels = check_labels

    def __len__(self) -> int:
        return len(self.reader)

    def next_pass(self) -> Iterator[Sample]:
        """Yield the samples of the next pass. Raises UserError if it does not come, stalls or ends with a problem."""
        labels = PassLabels(self.reader)
        # Held back, so that the labels are looked at before the last sample can end the last epoch.
        held: Sample | None = None
        are_images = False
        for index, sample in enumerate(self.reader.next_pass()):
            if held is not None:
                yield held
            held = sample
            if isinstance(sample.target, bytes):
                are_images = True
                continue
            try:
                self.decode_target(sample.target, sample.key)
            except DataError:
                # Said where the image is read.
                continue
            labels.add(index, sample)
        if not are_images:
            self.check_labels(labels)
        if held is not None:
            yield held

    def batches(self, groups: Iterator[list[_Place]], *, replace_broken: bool) -> Iterator[Batch]:
        """Yield batches of groups of samples, in order. A neighbor takes a broken image's place, or it is left out."""
        with ThreadPoolExecutor(self.threads, "decode") as pool:
            waiting = ([(place, pool.submit(self._prepare, place)) for place in group] for group in groups)
            with Prefetch(waiting, PREFETCHED_BATCHES) as ready:
                for group in ready:
                    yield self._joined(group, replace_broken)

    def _prepare(self, place: _Place) -> Prepared:
        return Prepared(*self.prepare(place.sample, place.seed), place.index)

    def _joined(self, group: list[tuple[_Place, Future[Prepared]]], replace_broken: bool) -> Batch:
        met: list[Broken] = []
        found = [
            first_usable(start, len(group), lambda number: group[number][1].result(), met, replace_broken)
            for start in range(len(group))
        ]
        broken = {group[number][0].index: sentence for number, sentence in met}
        return self.join([one for one in found if one is not None], tuple(broken.items()))


class TrainStream(TrainEpochs, IterableDataset[Batch]):
    """Training batches in the order of the stream, epoch after epoch.

    ``num_images`` is the claim ``num_training_samples``; where a pass holds another number, one warning says so and
    the stream goes on.
    """

    def __init__(
        self,
        dataset: StreamDataset,
        num_images: int,
        batch_size: int,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
        batches_done: int = 0,
    ) -> None:
        super().__init__(num_images, batch_size, seed=seed, rank=rank, world=world, batches_done=batches_done)
        self.dataset = dataset
        self._batches: Iterator[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        epoch = self.next_epoch()
        if self._batches is None:
            self._batches = self.dataset.batches(self._groups(epoch.start), replace_broken=True)
        for _ in epoch:
            yield next(self._batches)

    def _groups(self, batches_done: int) -> Iterator[list[_Place]]:
        share = self.batch_size // self.world
        first = self.rank * share
        number, skip = divmod(batches_done * self.batch_size, self.num_images)
        group: list[_Place] = []
        place_in_batch = 0
        while True:
            count = 0
            for index, sample in enumerate(self.dataset.next_pass()):
                count += 1
                if index < skip:
                    continue
                if first <= place_in_batch < first + share:
                    group.append(_Place(sample, index, self._seed_of(number, index)))
                place_in_batch += 1
                if place_in_batch == self.batch_size:
                    yield group
                    group, place_in_batch = [], 0
            self._compare(count)
            number, skip = number + 1, 0

    def _seed_of(self, number: int, index: int) -> int:
        return int(image_seeds(self.seed, np.asarray([number]), np.asarray([index]))[0])

    def _compare(self, count: int) -> None:
        if self.dataset.reader.passes_opened == 1 and count != self.num_images:
            log.warning(
                "hp.num_training_samples is %d, but a pass over channel 'train' holds %d records: epochs and learning "
                "rate steps follow num_training_samples; set it to %d",
                self.num_images,
                count,
                count,
            )


class EvaluationStream(IterableDataset[Batch]):
    """One pass an iteration, every image once over all processes; process r takes records r, r+world, ..."""

    def __init__(self, dataset: StreamDataset, batch_size: int, *, rank: int = 0, world: int = 1) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.rank = rank
        self.world = world

    def __iter__(self) -> Iterator[Batch]:
        broken: list[tuple[int, str]] = []
        for batch in self.dataset.batches(self._groups(), replace_broken=False):
            broken += batch.broken
            yield batch._replace(broken=())
        if broken:
            # Which share of the channel they are is known only now.
            yield Batch(torch.empty(0), None, torch.empty(0, dtype=torch.int64), tuple(broken))

    def _groups(self) -> Iterator[list[_Place]]:
        group: list[_Place] = []
        for index, sample in enumerate(self.dataset.next_pass()):
            if index % self.world == self.rank:
                group.append(_Place(sample, index, 0))
            if len(group) == self.batch_size:
                yield group
                group = []
        if group:
            yield group

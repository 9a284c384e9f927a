"""Batches from a channel that can only be read from start to end (Pipe mode), decoded by threads.

The arithmetic is ``TrainSampler``'s: floor(images / batch) batches an epoch, what is left over opens the next epoch,
and the seed of an image follows from run seed, pass and place in the pass. So a pass in File mode's stored order and
one through a pipe give the same batches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset

from vision.data.collate import Batch, stack_images
from vision.data.dataset import Transform, needed_by
from vision.data.image_codec import decode_rgb
from vision.data.pass_labels import PassLabels
from vision.data.prefetch import Prefetch
from vision.data.readers.pipe import PipeReader
from vision.data.sample import RawTarget, Sample
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


class StreamDataset:
    """A stream of samples and what makes batches of them; the counterpart of ``ImageDataset``.

    ``check_labels`` is called at the end of each pass with its labels, and may raise UserError. Labels that cannot be
    used are not among them: their images count as broken. ``scaled_decode`` as there.
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
        self.reader = reader
        self.decode_target = decode_target
        self.transform = transform
        self.collate_targets = collate_targets
        self.threads = threads
        self.check_labels = check_labels
        self._needed = needed_by(transform) if scaled_decode else None

    def __len__(self) -> int:
        return len(self.reader)

    def next_pass(self) -> Iterator[Sample]:
        """The samples of the next pass. Raises UserError when it does not come, stalls, or has a problem at its end."""
        labels = PassLabels(self.reader)
        # Held back, so that the labels are looked at before the last sample can end the last epoch.
        held: Sample | None = None
        for index, sample in enumerate(self.reader.next_pass()):
            if held is not None:
                yield held
            held = sample
            try:
                self.decode_target(sample.target, sample.key)
            except DataError:
                # Said where the image is read.
                continue
            labels.add(index, sample)
        self.check_labels(labels)
        if held is not None:
            yield held

    def read(self, place: _Place) -> tuple[np.ndarray, Any]:
        """One image, decoded and transformed, and its target."""
        sample = place.sample
        target = self.decode_target(sample.target, sample.key)
        image = decode_rgb(sample.encoded, sample.key, needed=self._needed)
        return self.transform(image, target, place.seed, sample.key)

    def batches(self, groups: Iterator[list[_Place]], *, replace_broken: bool) -> Iterator[Batch]:
        """Batches of groups of samples, in order. A broken image's place is taken by its neighbour, or left out."""
        with ThreadPoolExecutor(self.threads, "decode") as pool:
            waiting = ([(place, pool.submit(self.read, place)) for place in group] for group in groups)
            with Prefetch(waiting, PREFETCHED_BATCHES) as ready:
                for group in ready:
                    found: list[Any] = []
                    broken: list[tuple[int, str]] = []
                    for place, future in group:
                        try:
                            found.append((place.index, *future.result()))
                        except DataError as error:
                            broken.append((place.index, str(error)))
                            found.append(None)
                    yield self._collate(_filled(found) if replace_broken else found, tuple(broken))

    def _collate(self, found: list[Any], broken: tuple[tuple[int, str], ...]) -> Batch:
        used = [item for item in found if item is not None]
        if not used:
            return Batch(torch.empty(0), None, torch.empty(0, dtype=torch.int64), broken)
        indices, images, targets = zip(*used, strict=True)
        return Batch(stack_images(list(images)), self.collate_targets(list(targets)), torch.tensor(indices), broken)


def _filled(found: list[Any]) -> list[Any]:
    """The list with each None replaced by the next image of the batch that could be read."""
    count = len(found)
    return [
        next((found[(start + step) % count] for step in range(count) if found[(start + step) % count]), None)
        for start in range(count)
    ]


class TrainStream(IterableDataset[Batch]):
    """Training batches of one process, epoch after epoch: each iteration gives the rest of the epoch under way.

    ``num_images`` is the claim ``num_training_samples``; where a pass holds another number, one warning says so and
    the stream goes on. ``batch_size`` counts the images of all processes together.
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
        assert batch_size % world == 0, (batch_size, world)
        self.dataset = dataset
        self.num_images = num_images
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.batches_done = batches_done
        self._batches: Iterator[Batch] | None = None

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self.num_images // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        start = self.batches_done
        end = (start // len(self) + 1) * len(self)
        if self._batches is None:
            self._batches = self.dataset.batches(self._groups(start), replace_broken=True)
        # Counted before the first batch, because a loader that has all it needs drops the iterator unfinished.
        self.batches_done = end
        for _ in range(start, end):
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

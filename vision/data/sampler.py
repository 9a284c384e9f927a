"""Which images come when: a stream of batches fixed by the seed alone, whatever the number of processes or workers.

Training follows MXNet's round-robin iterator: every epoch has floor(images / batch) full batches, and the images left
over open the next epoch, so that batches never shrink and no image is seen less often than another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from vision.data.seeds import image_seeds, pass_order


class Draw(NamedTuple):
    """The images of one batch: ``indices`` int64 [N] in the reader's order, ``seeds`` uint64 [N] to augment them."""

    indices: np.ndarray
    seeds: np.ndarray


class TrainEpochs:
    """Which batches of training the next epoch holds: the rest of the one that is under way.

    ``batch_size`` counts the images of all processes together; this process takes its share of each batch.
    ``batches_done`` starts the stream there, which is how a run resumes in the middle of an epoch.
    """

    def __init__(
        self, num_images: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1, batches_done: int = 0
    ) -> None:
        assert 0 < batch_size <= num_images, (batch_size, num_images)
        assert batch_size % world == 0, (batch_size, world)
        self.num_images = num_images
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.batches_done = batches_done

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self.num_images // self.batch_size

    def next_epoch(self) -> range:
        """Return the numbers of its batches, which count as done: a loader may drop its iterator unfinished."""
        start = self.batches_done
        self.batches_done = (start // len(self) + 1) * len(self)
        return range(start, self.batches_done)


class TrainSampler(TrainEpochs, Sampler[Draw]):
    """Batches of images in random order, epoch after epoch."""

    _order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def __iter__(self) -> Iterator[Draw]:
        for batch in self.next_epoch():
            yield self._draw(batch)

    def _draw(self, batch: int) -> Draw:
        share = self.batch_size // self.world
        start = batch * self.batch_size + self.rank * share
        positions = np.arange(start, start + share)
        passes, offsets = np.divmod(positions, self.num_images)
        indices = np.empty(share, np.int64)
        for number in np.unique(passes):
            chosen = passes == number
            indices[chosen] = self._permutation(int(number))[offsets[chosen]]
        return Draw(indices, self._seeds(passes, offsets, indices))

    def _seeds(self, passes: np.ndarray, offsets: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return image_seeds(self.seed, passes, indices)

    def _permutation(self, number: int) -> np.ndarray:
        if self._order[0] != number:
            # The shuffle of ``permutation``, in half its memory where the numbers allow it.
            order = np.arange(self.num_images, dtype=np.uint32 if self.num_images < 1 << 32 else np.int64)
            pass_order(self.seed, number).shuffle(order)
            self._order = (number, order)
        return self._order[1]


class BalancedSampler(TrainSampler):
    """Images in random order, as often as their ``weights`` float64 [images] say: some in a pass several times.

    How often an image comes in a pass is its expected number, rounded down or up.
    """

    def __init__(self, weights: np.ndarray, batch_size: int, **place: int) -> None:
        super().__init__(len(weights), batch_size, **place)
        self.weights = weights

    def _seeds(self, passes: np.ndarray, offsets: np.ndarray, indices: np.ndarray) -> np.ndarray:
        # By the place in the pass: an image that comes again is augmented in another way.
        return image_seeds(self.seed, passes, offsets)

    def _permutation(self, number: int) -> np.ndarray:
        if self._order[0] != number:
            rng = pass_order(self.seed, number)
            shuffled = rng.permutation(self.num_images)
            reached = np.cumsum(self.weights[shuffled])
            marks = (np.arange(self.num_images) + rng.random()) * (reached[-1] / self.num_images)
            order = shuffled[np.minimum(np.searchsorted(reached, marks, side="right"), self.num_images - 1)]
            rng.shuffle(order)
            self._order = (number, order)
        return self._order[1]


def balancing_weights(class_ids: Sequence[np.ndarray]) -> np.ndarray:
    """Return weights float64 [images] with which images of every class are drawn equally often.

    ``class_ids`` are those that each image shows. An image of several classes has the mean of their weights, and images
    of none are a class of their own.
    """
    shown = [ids if len(ids) else np.array([-1]) for ids in class_ids]
    counts = Counter(np.concatenate(shown).tolist())
    return np.array([np.mean([1.0 / counts[class_id] for class_id in ids.tolist()]) for ids in shown])


class EvaluationSampler(Sampler[Draw]):
    """Every image exactly once over all processes, in the reader's order; process r takes images r, r+world, ...

    Where there are fewer images than processes, the last processes take one that another has, too: all have to take
    part in what follows, where an image that comes twice counts once.
    """

    def __init__(self, num_images: int, batch_size: int, *, rank: int = 0, world: int = 1) -> None:
        self.indices = np.arange(rank if rank < num_images else rank % max(1, num_images), num_images, world)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_size)

    def __iter__(self) -> Iterator[Draw]:
        for start in range(0, len(self.indices), self.batch_size):
            indices = self.indices[start : start + self.batch_size]
            yield Draw(indices, image_seeds(0, np.zeros_like(indices), indices))

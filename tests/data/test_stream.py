from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vision.algorithms.image_classification.targets import LabelDecoder
from vision.data.collate import Batch
from vision.data.dataset import ImageDataset
from vision.data.readers.pipe import PipeReader
from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record import pack
from vision.data.sampler import Draw, EvaluationSampler
from vision.data.seeds import image_seeds
from vision.data.stream import EvaluationStream, StreamDataset, TrainStream
from vision.sagemaker.pipe_feeder import wrap
from vision.settings.errors import DataError

COUNT, BATCH, SEED = 10, 4, 7
Make = Callable[..., StreamDataset]


class Jitter:
    """Shifts the brightness by the seed, so that a wrong seed shows."""

    def __call__(self, image: np.ndarray, target: Any, rng_seed: int | None, key: str) -> tuple[np.ndarray, Any]:
        return (image // 2 + np.random.default_rng(rng_seed).integers(0, 100)).astype(np.uint8), target


def record(number: int, broken: bool = False) -> bytes:
    pixels = np.full((8, 8, 3), 10 * number, np.uint8)
    encoded = cv2.imencode(".png", pixels)[1].tobytes()
    return wrap(pack(number % 3, number, b"broken" if broken else encoded))


def collate(targets: list[Any]) -> torch.Tensor:
    return torch.from_numpy(np.stack(targets))


DECODER = LabelDecoder(3, multi_label=False)


@pytest.fixture
def stream(tmp_path: Path) -> Make:
    def make(passes: int = 4, count: int = COUNT, broken: tuple[int, ...] = (), expected: int = COUNT) -> StreamDataset:
        content = b"".join(record(number, number in broken) for number in range(count))
        for number in range(passes):
            (tmp_path / f"train_{number}").write_bytes(content)
        (tmp_path / "train.rec").write_bytes(content)
        return StreamDataset(PipeReader(tmp_path / "train", 0.3, expected), DECODER, Jitter(), collate, threads=3)

    return make


def same(one: Batch, other: Batch) -> bool:
    return (
        torch.equal(one.images, other.images)
        and torch.equal(one.targets, other.targets)
        and torch.equal(one.indices, other.indices)
        and one.broken == other.broken
    )


def file_batches(tmp_path: Path) -> Iterator[Batch]:
    """What File mode gives when its order is the stored one."""
    dataset = ImageDataset(RecordIOReader([tmp_path / "train.rec"]), DECODER, Jitter(), collate, replace_broken=True)
    start = 0
    while True:
        passes, indices = np.divmod(np.arange(start, start + BATCH), COUNT)
        yield dataset.__getitems__(Draw(indices, image_seeds(SEED, passes, indices)))
        start += BATCH


def test_epochs_equal_file_mode_bit_for_bit(stream: Make, tmp_path: Path) -> None:
    training = TrainStream(stream(), COUNT, BATCH, seed=SEED)
    assert len(training) == 2
    epochs = [list(training) for _ in range(4)]
    assert [len(epoch) for epoch in epochs] == [2, 2, 2, 2]
    streamed = [batch for epoch in epochs for batch in epoch]
    # 8 batches of 4 go through 10 images three times and two more.
    assert streamed[2].indices.tolist() == [8, 9, 0, 1]
    assert all(same(one, other) for one, other in zip(streamed, file_batches(tmp_path), strict=False))


@pytest.mark.parametrize("batches_done", [1, 2, 3])
def test_a_run_goes_on_in_the_middle(stream: Make, tmp_path: Path, batches_done: int) -> None:
    training = TrainStream(stream(), COUNT, BATCH, seed=SEED, batches_done=batches_done)
    rest = list(training) + list(training)
    assert len(rest) == 4 - batches_done % 2
    expected = islice(file_batches(tmp_path), batches_done, None)
    assert all(same(one, other) for one, other in zip(rest, expected, strict=False))


@pytest.mark.parametrize(("scaled_decode", "expected"), [(True, (16, 8, 3)), (False, (64, 32, 3))])
def test_jpegs_come_smaller_where_the_transform_reduces_them_and_it_is_wanted(
    scaled_decode: bool, expected: tuple[int, ...], tmp_path: Path
) -> None:
    class Reduce:
        """To 14x7, if only in words."""

        def needed(self, height: int, width: int) -> tuple[int, int]:
            return 14, 7

        def __call__(self, image: np.ndarray, target: Any, rng_seed: int | None, key: str) -> tuple[np.ndarray, Any]:
            return image, target

    encoded = cv2.imencode(".jpg", np.zeros((64, 32, 3), np.uint8))[1].tobytes()
    (tmp_path / "train_0").write_bytes(wrap(pack(0, 0, encoded)))
    reader = PipeReader(tmp_path / "train", 0.3, 1)
    data = StreamDataset(reader, DECODER, Reduce(), collate, threads=1, scaled_decode=scaled_decode)
    (batch,) = EvaluationStream(data, BATCH)
    assert batch.images.permute(0, 2, 3, 1).shape[1:] == expected


def test_masks_are_judged_where_they_are_decoded(tmp_path: Path) -> None:
    """A pass would not hold them all: none is looked at before, and one that cannot be used names its image."""

    def decode(raw: Any, key: str) -> np.ndarray:
        if raw == masks[1]:
            raise DataError(key, "has a bad mask")
        return np.zeros(1)

    def check_labels(labels: Any) -> None:
        raise AssertionError

    masks = [cv2.imencode(".png", np.full((8, 8), shade, np.uint8))[1].tobytes() for shade in (0, 1)]
    (tmp_path / "train_0").write_bytes(b"".join(map(wrap, [masks[0], masks[0], masks[0], masks[1]])))
    reader = PipeReader(tmp_path / "train", 0.3, 2, image_labels=True)
    data = StreamDataset(reader, decode, Jitter(), collate, threads=1, check_labels=check_labels)
    first, rest = EvaluationStream(data, BATCH)
    assert first.indices.tolist() == [0]
    assert rest.broken == ((1, "train_0 record 1: has a bad mask"),)


def test_two_processes_share_each_batch(stream: Make, tmp_path: Path) -> None:
    shares = [list(TrainStream(stream(), COUNT, BATCH, seed=SEED, rank=rank, world=2)) for rank in (0, 1)]
    for first, second, whole in zip(*shares, file_batches(tmp_path), strict=False):
        assert torch.equal(torch.cat([first.images, second.images]), whole.images)
        assert torch.equal(torch.cat([first.indices, second.indices]), whole.indices)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_validation_sees_every_image_once(stream: Make, tmp_path: Path, world: int) -> None:
    dataset = stream()
    file = ImageDataset(RecordIOReader([tmp_path / "train.rec"]), DECODER, Jitter(), collate, replace_broken=False)
    seen: list[int] = []
    for rank in range(world):
        batches = list(EvaluationStream(dataset, BATCH, rank=rank, world=world))
        assert [batch.indices.tolist() for batch in batches] == [
            draw.indices.tolist() for draw in EvaluationSampler(COUNT, BATCH, rank=rank, world=world)
        ]
        assert all(torch.equal(batch.targets, file.__getitems__(_draw(batch)).targets) for batch in batches)
        seen += [index for batch in batches for index in batch.indices.tolist()]
    assert sorted(seen) == list(range(COUNT))
    assert len(dataset) == COUNT


def _draw(batch: Batch) -> Draw:
    indices = batch.indices.numpy()
    return Draw(indices, np.zeros(len(indices), np.uint64))


def test_a_broken_image_is_named_and_its_place_taken_by_a_neighbour(stream: Make) -> None:
    first = next(iter(TrainStream(stream(broken=(1,)), COUNT, BATCH, seed=SEED)))
    assert first.indices.tolist() == [0, 2, 2, 3]
    assert [index for index, _ in first.broken] == [1]
    assert "train_0 record 1 (id 1)" in first.broken[0][1]


def test_validation_leaves_broken_images_out_and_names_them_when_all_are_counted(stream: Make) -> None:
    dataset = stream(broken=(0, 5), expected=0)
    *batches, last = EvaluationStream(dataset, BATCH)
    assert [index for batch in batches for index in batch.indices.tolist()] == [1, 2, 3, 4, 6, 7, 8, 9]
    assert all(not batch.broken for batch in batches)
    assert [index for index, _ in last.broken] == [0, 5]
    assert len(dataset) == COUNT


COUNTS = [(9, 3), (12, 2)]


@pytest.mark.parametrize(("count", "passes_for_six_batches"), COUNTS)
def test_a_wrong_number_of_records_warns_and_goes_on(
    stream: Make, caplog: pytest.LogCaptureFixture, count: int, passes_for_six_batches: int
) -> None:
    training = TrainStream(stream(count=count, passes=5), COUNT, BATCH, seed=SEED)
    batches = [batch for _ in range(3) for batch in training]
    assert len(batches) == 6
    assert sum(len(batch.indices) for batch in batches) == 24 <= passes_for_six_batches * count
    (warning,) = {record.getMessage() for record in caplog.records}
    assert f"hp.num_training_samples is 10, but a pass over channel 'train' holds {count} records" in warning


def test_the_end_of_the_platforms_pipes_is_a_sentence(stream: Make) -> None:
    training = TrainStream(stream(passes=1), COUNT, BATCH, seed=SEED)
    assert len(list(training)) == 2
    with pytest.raises(Exception, match="train_1 did not appear within"):
        list(training)


def test_no_thread_stays_behind_a_reader_that_stops_early(stream: Make) -> None:
    before = set(threading.enumerate())
    batches = stream().batches(EvaluationStream(stream(), 1)._groups(), replace_broken=False)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()

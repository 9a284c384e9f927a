"""Batches on the device are what the loader made: copies beside its work, the cache there; and no step waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from tests.data.cache.test_batch_augmentation import kept_images
from tests.training.small_run import SmallRun
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.grey import Grey
from vision.data.augmentations.hls_shift import HLSShift
from vision.data.augmentations.mirror import Mirror
from vision.data.cache.batch_augmentation import augment_on_device, augment_on_host
from vision.data.cache.transform_split import RandomPart
from vision.data.collate import Batch
from vision.data.datamodule import VisionDataModule
from vision.training.task import TrainingFacts

BATCHES = {"cpu": 20, "cuda": 400}


def test_copies_beside_the_work_bring_the_same_batches(device: torch.device, tmp_path: Path) -> None:
    """While the device is kept busy and its memory is given out again and again, as in a long run."""
    module: VisionDataModule = SmallRun(tmp_path).data
    count, side = BATCHES[device.type], 16 if device.type == "cpu" else 160
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(256, (8, 3, side, side), generator=generator, dtype=torch.uint8) for _ in range(7)]
    if device.type == "cuda":
        images = [image.pin_memory() for image in images]
    busy = torch.ones(side * 8, side * 8, device=device)
    sums, expected = [], []
    for number in range(count):
        given = Batch(images[number % 7], torch.full((8,), number), torch.arange(8) + number, ())
        moved = module.transfer_batch_to_device(given, device, 0)
        assert moved.images.device.type == device.type
        busy = busy @ busy / busy.shape[0]
        # Used late, when the next copies could already have overwritten it, and given back at once.
        sums.append(torch.stack([moved.images.long().sum(), moved.targets.sum(), moved.indices.sum()]))
        expected.append([int(given.images.long().sum()), 8 * number, 28 + 8 * number])
        del moved, given
    assert torch.stack(sums).tolist() == expected


@pytest.mark.parametrize("grey", [None, Grey()], ids=["rgb", "grey"])
@pytest.mark.parametrize("colour", [None, HLSShift(36, 50, 50)], ids=["plain", "colour"])
@pytest.mark.parametrize("sizes", ["equal", "different"])
def test_the_cache_on_the_device_is_the_hosts(
    sizes: str, colour: HLSShift | None, grey: Grey | None, device: torch.device
) -> None:
    kept = kept_images([(17, 19)] * 20 if sizes == "equal" else [(12 + i % 7, 15 + i % 5) for i in range(20)])
    random_part = RandomPart(None, Crop(12, 15, at_random=True), colour, Mirror(), grey)
    rng = np.random.default_rng(1)
    indices, seeds = rng.integers(0, 20, 64), rng.integers(0, 2**64, 64, np.uint64)
    drawn = random_part.draw(seeds, kept.layout.shapes[indices])
    expected = augment_on_host(kept, indices, random_part, drawn).astype(int)
    pixels = torch.from_numpy(kept.pixels).to(device)
    found = augment_on_device(pixels, kept.layout, indices, random_part, drawn).cpu().numpy()
    difference = np.abs(found - expected)
    # Crop, mirror and grey to the bit; a hue between two levels may be rounded either way.
    assert difference.max() <= (9 if colour else 0)
    assert (difference > 0).mean() <= (0.005 if colour else 0.0)


class NoWaiting(pl.Callback):
    """From the third step on nothing between a batch's arrival and the end of its step may wait for the GPU."""

    def __init__(self) -> None:
        self.watched = 0

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step >= 2 and torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("error")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")
        self.watched += 1


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_does_not_wait(optimizer: str, precision: str, device: torch.device, tmp_path: Path) -> None:
    """Without a GPU tests/training/test_no_waiting.py sees to it, with tensors that have no values."""
    if device.type == "cpu" and (optimizer, precision) != ("sgd", "float32"):
        pytest.skip("needs a GPU")
    watch = NoWaiting()
    run = {"device": device.type, "devices": 1, "precision": precision}
    SmallRun(tmp_path, callbacks=(watch,), run=run, epochs=1, optimizer=optimizer).train()
    assert watch.watched == 6


def test_a_step_of_the_detector_does_not_wait(gpu: torch.device, tmp_path: Path) -> None:
    from tests.gpu.first_step import CLASSES, batch_for
    from tests.gpu.test_steps import NETWORKS
    from vision import algorithms
    from vision.settings.run import RunSettings
    from vision.training.trainer import build_trainer

    network = NETWORKS["ssd, narrow"]
    algorithm = algorithms.get(network.algorithm)
    given = {"num_classes": CLASSES, "num_training_samples": 2, "mini_batch_size": 2, "learning_rate": 1e-5}
    hp = algorithm.facts.hyperparameters.parse(given | network.hyperparameters | {"epochs": 1})
    run = RunSettings.parse({"device": f"cuda:{gpu.index}", "precision": "float16"})
    task = algorithm.task(algorithm.build_network(network.plan), hp, run, TrainingFacts(("a", "b", "c")))
    watch = NoWaiting()
    trainer = build_trainer(hp, run, callbacks=[watch], folder=tmp_path)
    loader: torch.utils.data.DataLoader[Any] = torch.utils.data.DataLoader(
        [batch_for(network)] * 6, batch_size=None, collate_fn=lambda batch: batch
    )
    trainer.fit(task, train_dataloaders=loader)
    assert watch.watched == 6

"""A training run small enough for tests: real loader, task, callbacks and trainer over a few random images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.targets import LabelDecoder
from vision.algorithms.image_classification.task import ClassificationTask
from vision.data.broken_images import BrokenImages
from vision.data.datamodule import VisionDataModule
from vision.data.dataset import ImageDataset
from vision.data.sample import Sample
from vision.settings.run import RunSettings
from vision.training.checkpoints import BestModel, Checkpoints
from vision.training.early_stopping import StopEarly, stopping_rule
from vision.training.loggers import History
from vision.training.task import TrainingFacts
from vision.training.termination import Termination
from vision.training.trainer import build_trainer, learning_callbacks

SIZE = 8
NAMES = ("a", "b", "c")


class RandomImages:
    """A reader of random 8x8 PNGs whose class shows in their brightness; ``broken`` ones are not images."""

    class_names = NAMES

    def __init__(self, count: int, seed: int = 0, broken: tuple[int, ...] = ()) -> None:
        rng = np.random.default_rng(seed)
        self.labels = rng.integers(0, 3, count)
        pixels = rng.integers(0, 80, (count, SIZE, SIZE, 3)) + 60 * self.labels[:, None, None, None]
        self.files = [cv2.imencode(".png", image.astype(np.uint8))[1].tobytes() for image in pixels]
        for index in broken:
            self.files[index] = b"this is no image"

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.files[index], self.target(index), self.key(index))

    def target(self, index: int) -> np.ndarray:
        return np.asarray([self.labels[index]], np.float32)

    def key(self, index: int) -> str:
        return f"image {index}"


class Jitter:
    """Shifts the brightness by the seed, so that a wrong seed shows in the weights."""

    def __call__(self, image: np.ndarray, target: Any, rng_seed: int | None, key: str) -> tuple[np.ndarray, Any]:
        if rng_seed is None:
            return image, target
        shift = np.random.default_rng(rng_seed).integers(0, 40)
        return (image // 2 + shift).astype(np.uint8), target


class SmallNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn(self.conv(images.float() / 255)))
        return self.fc(x.mean(dim=(2, 3)))


class SmallRun:
    """Everything of one run in a folder; ``train(resume)`` goes on from the last checkpoint if there is one."""

    def __init__(
        self,
        folder: Path,
        *,
        every_n_steps: int | None = None,
        callbacks: tuple[pl.Callback, ...] = (),
        run: dict[str, Any] | None = None,
        train_images: int = 50,
        validation_images: int = 30,
        broken: tuple[int, ...] = (),
        **hyperparameters: Any,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.hp = ImageClassificationHyperparameters.parse(
            {
                "num_classes": 3,
                "num_training_samples": train_images,
                "num_layers": 20,
                "mini_batch_size": 8,
                "epochs": 3,
                "learning_rate": 0.05,
                "image_shape": "3,8,8",
                "top_k": 2,
                **hyperparameters,
            }
        )
        self.run = RunSettings.parse({"device": "cpu", "workers": 0, **(run or {})})
        decoder = LabelDecoder(3, multi_label=False)
        train = ImageDataset(RandomImages(train_images, broken=broken), decoder, Jitter(), _stack, replace_broken=True)
        validation_reader = RandomImages(validation_images, seed=1)
        validation = ImageDataset(validation_reader, decoder, Jitter(), _stack, replace_broken=False)
        batch = self.hp.mini_batch_size
        self.data = VisionDataModule(
            train=train,
            validation=validation,
            batch_size=batch,
            validation_batch=batch,
            workers=0,
            seed=0,
            pin_memory=False,
        )
        torch.manual_seed(0)
        self.task = ClassificationTask(
            SmallNetwork(),
            self.hp,
            self.run,
            TrainingFacts(NAMES, train_images // batch, images_per_step=batch, stages=(("conv.", "bn."),)),
        )
        self.task.broken = {
            "train": BrokenImages("train", train_images, self.run.max_broken),
            "validation": BrokenImages("validation", validation_images, self.run.max_broken),
        }
        self.saved: list[tuple[int, bool]] = []
        self.checkpoints = Checkpoints(folder / "checkpoints", every_n_steps)
        self.history = History(folder / "metrics.csv")
        rule = stopping_rule(self.hp, self.run)
        self.callbacks: list[pl.Callback] = [
            *callbacks,
            self.history,
            BestModel("accuracy", self.hp.kept_every_epochs, self._save),
            *([StopEarly("accuracy", rule)] if rule is not None else []),
            *learning_callbacks(self.run),
            self.checkpoints,
            Termination(self.checkpoints),
        ]
        self.trainer = build_trainer(self.hp, self.run, callbacks=self.callbacks, folder=folder)

    def _save(self, epoch: int, metrics: dict[str, float], best: bool, regular: bool) -> None:
        self.saved.append((epoch, best))

    def train(self) -> dict[str, torch.Tensor]:
        last = self.checkpoints.path
        self.trainer.fit(self.task, datamodule=self.data, ckpt_path=str(last) if last.exists() else None)
        return {name: value.clone() for name, value in self.task.network.state_dict().items()}


def _stack(targets: list[Any]) -> torch.Tensor:
    return torch.from_numpy(np.stack(targets))

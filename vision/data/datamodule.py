"""The loaders of one run, as Lightning asks for them."""

from __future__ import annotations

import sys
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from vision.data.cache.cached_dataset import CachedDataset
from vision.data.cache.choice import cached
from vision.data.collate import Batch
from vision.data.dali.loader import DaliLoader, DaliSettings
from vision.data.dataset import ImageDataset
from vision.data.image_codec import prepare_process, prepare_threads
from vision.data.process_loader import ProcessLoader, TellsErrors
from vision.data.sampler import BalancedSampler, EvaluationSampler, TrainSampler
from vision.data.side_stream import CudaStreams, SideStreamCopy
from vision.data.stream import EvaluationStream, StreamDataset, TrainStream
from vision.data.thread_loader import ThreadLoader
from vision.settings.device import usable_cores

# Up to so many workers are threads where no GPU waits for this process's own Python.
MOST_THREADS = 2


class VisionDataModule(pl.LightningDataModule):
    """Training and validation loaders whose order depends on the seed alone, and which resume inside an epoch.

    ``batch_size`` counts the images of one training step over all processes, ``validation_batch`` those of one of
    validation. ``train`` is absent when only
    evaluating. With ``dali`` DALI makes the training batches; validation always decodes as evaluation does. Loader
    processes that give nothing for ``stall_timeout_s`` end the run.
    """

    def __init__(
        self,
        *,
        train: ImageDataset | StreamDataset | None,
        validation: ImageDataset | StreamDataset,
        batch_size: int,
        validation_batch: int,
        workers: int,
        seed: int,
        pin_memory: bool,
        dali: DaliSettings | None = None,
        weights: np.ndarray | None = None,
        stall_timeout_s: float = 600.0,
    ) -> None:
        super().__init__()
        self.train = train
        self.validation = validation
        self.batch_size = batch_size
        self.validation_batch = validation_batch
        self.workers = workers
        self.seed = seed
        self.pin_memory = pin_memory
        self.dali = dali
        self.weights = weights
        self.stall_timeout_s = stall_timeout_s
        self._copies: SideStreamCopy | None = None
        self._batches_done = 0
        self._cached: dict[str, CachedDataset | ImageDataset] = {}

    def _rank_and_world(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size

    def _ready(self, dataset: ImageDataset, channel: str) -> ImageDataset | CachedDataset:
        """Return the dataset, its images decoded if they are to be kept; a single evaluation keeps none."""
        if channel not in self._cached:
            self._cached[channel] = dataset if self.train is None else cached(dataset, channel)
        return self._cached[channel]

    def _loader(
        self, dataset: ImageDataset | CachedDataset, sampler: TrainSampler | EvaluationSampler
    ) -> DataLoader[Batch] | ThreadLoader:
        workers, pin_memory = self.workers, self.pin_memory
        if isinstance(dataset, CachedDataset):
            pin_memory = pin_memory and not dataset.on_device
            # A copy of pixels takes less time than the batch's way from another process.
            workers = workers if dataset.works_by_image else 0
        if 0 < workers <= MOST_THREADS and not pin_memory:
            prepare_threads()
            return ThreadLoader(dataset, sampler, workers, ahead=isinstance(sampler, TrainSampler))
        return ProcessLoader(
            cast(Any, TellsErrors(dataset) if workers else dataset),
            batch_sampler=cast(Any, sampler),
            collate_fn=_as_it_is,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_prepare_worker,
            timeout=self.stall_timeout_s if workers else 0,
            generator=self._own_random_numbers(),
            # Forked workers share the kept images; otherwise, which is Python 3.14's default, each would get a copy.
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        )

    def _stream_loader(self, stream: TrainStream | EvaluationStream) -> DataLoader[Batch]:
        # One pipe has one reader: it decodes by threads, not by further processes.
        return DataLoader(
            stream,
            batch_size=None,
            num_workers=0,
            pin_memory=self.pin_memory,
            generator=self._own_random_numbers(),
        )

    def _own_random_numbers(self) -> torch.Generator:
        """torch draws a seed for every pass, which nobody uses here, and must not take it from the run's numbers: a
        resumed run makes more passes than one that was never interrupted."""
        return torch.Generator().manual_seed(self.seed)

    def train_dataloader(self) -> DataLoader[Batch] | ThreadLoader | DaliLoader:
        assert self.train is not None
        rank, world = self._rank_and_world()
        place = {"seed": self.seed, "rank": rank, "world": world, "batches_done": self._batches_done}
        if isinstance(self.train, StreamDataset):
            return self._stream_loader(TrainStream(self.train, len(self.train), self.batch_size, **place))
        sampler = (
            TrainSampler(len(self.train), self.batch_size, **place)
            if self.weights is None
            else BalancedSampler(self.weights, self.batch_size, **place)
        )
        if self.dali is not None:
            return DaliLoader(self.train, sampler, self.dali)
        return self._loader(self._ready(self.train, "train"), sampler)

    def val_dataloader(self) -> DataLoader[Batch] | ThreadLoader:
        rank, world = self._rank_and_world()
        share = -(-self.validation_batch // world)
        if isinstance(self.validation, StreamDataset):
            return self._stream_loader(EvaluationStream(self.validation, share, rank=rank, world=world))
        sampler = EvaluationSampler(len(self.validation), share, rank=rank, world=world)
        return self._loader(self._ready(self.validation, "validation"), sampler)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Bring the batch to the device; copies to a GPU run beside its work."""
        move = super().transfer_batch_to_device
        if device.type != "cuda":
            return move(batch, device, dataloader_idx)
        if self._copies is None:
            self._copies = SideStreamCopy(CudaStreams(device), lambda batch: move(batch, device, dataloader_idx))
        return self._copies.copy(batch)

    def state_dict(self) -> dict[str, int]:
        """Return how far the training stream has been used; kept in every checkpoint."""
        assert self.trainer is not None
        return {"batches_done": self.trainer.fit_loop.epoch_loop.total_batch_idx + 1}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self._batches_done = state_dict["batches_done"]


def choose_workers(wanted: int | None, processes: int, *, on_gpu: bool) -> int:
    """Return the loader processes for each training process: as asked for, else by the cores this process may use.

    Training on the CPU keeps its cores: there one loader process is enough to hide the reading.
    """
    if wanted is not None:
        return wanted
    cores = usable_cores()
    if not on_gpu:
        return 1 if cores > 1 else 0
    return max(1, min(16, cores // processes - 1))


def _as_it_is(batch: Any) -> Any:
    return batch


def _prepare_worker(_: int) -> None:
    prepare_process()

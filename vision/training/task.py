"""The part of a LightningModule that all algorithms share: steps, sums over an epoch, optimizer, evaluation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from vision.data.broken_images import BrokenImages
from vision.data.collate import Batch
from vision.metrics.bootstrap import ImageMetrics
from vision.metrics.evaluation import Evaluation
from vision.nn.memory_format import memory_format
from vision.nn.stages import Stages
from vision.settings.errors import UserError
from vision.settings.hyperparameters import TrainingHyperparameters
from vision.settings.run import RunSettings
from vision.training.freezing import Freezing
from vision.training.mixing import Mixing
from vision.training.optimizer import GroupRules, build_optimizer
from vision.training.processes import gather_arrays, share_buffers
from vision.training.schedule import Schedule, build_schedule


class Evaluator(Protocol):
    """Collects what an evaluation needs, image by image, and evaluates it at the end."""

    def update(self, outputs: Any, targets: Any, indices: Tensor) -> None:
        """Take in a batch of raw outputs. Keeps tensors on their device: no synchronisation here."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything taken in, as arrays with one row an image; ``index`` int64 [n] among them."""

    def evaluate(self, arrays: dict[str, np.ndarray]) -> Evaluation:
        """Return the evaluation of all images, each once, sorted by index."""

    def image_metrics(self, arrays: dict[str, np.ndarray]) -> ImageMetrics:
        """Return metrics of the same arrays that can be computed for any part of the images."""


@dataclass(frozen=True)
class TrainingFacts:
    """What a task knows of its run. An evaluation needs the class names and ``key_of`` only.

    ``images_per_step`` counts the images of one batch over all processes, ``key_of`` turns an index of the validation
    channel into a name for messages. ``num_samples`` and ``class_counts``, float64 [classes], are of the training
    channel's labels; None where they were not looked at. ``stages`` are those of the base network.
    """

    class_names: tuple[str, ...]
    steps_per_epoch: int = 1
    images_per_step: int = 1
    key_of: Callable[[int], str] = str
    num_samples: int = 0
    class_counts: np.ndarray | None = None
    stages: Stages = ()


class TrainingTask(pl.LightningModule):
    """Trains and evaluates one network. Subclasses say what the losses and metrics are."""

    _compiled: Callable[[Tensor], Any]

    def __init__(
        self,
        network: nn.Module,
        hyperparameters: TrainingHyperparameters,
        run: RunSettings,
        facts: TrainingFacts,
    ) -> None:
        super().__init__()
        self._memory_format = memory_format(network, channels_last=run.channels_last)
        self.network = network.to(memory_format=self._memory_format)
        self.hyperparameters = hyperparameters
        self.run = run
        self.class_names = facts.class_names
        self.steps_per_epoch = facts.steps_per_epoch
        self.images_per_step = facts.images_per_step
        self.key_of = facts.key_of
        self.stages = facts.stages
        self.freezing: Freezing | None = None
        self.mixing = Mixing(run.mixup, run.cutmix, run.seed) if run.mixup or run.cutmix else None
        self.epoch_metrics: dict[str, float] = {}
        self.evaluation: Evaluation | None = None
        # What an evaluation outside training was made of, one row an image.
        self.evaluated: dict[str, np.ndarray] = {}
        # Of the classes, in place of those of best F1.
        self.thresholds: Sequence[float | None] | None = None
        self.broken: dict[str, BrokenImages] = {}
        self.last_loss: Tensor | None = None
        self._sums: dict[str, Tensor] = {}
        self._suspects: Tensor | None = None
        self._rng_state: Tensor | None = None
        # Kept out of the registered modules, so that the state dict has the plain network's names.
        object.__setattr__(self, "_compiled", torch.compile(network) if run.compile else network)

    @abstractmethod
    def losses(self, outputs: Any, targets: Any) -> dict[str, Tensor]:
        """Return the named scalar losses of a batch; their sum is minimized."""

    @abstractmethod
    def training_sums(self, outputs: Any, targets: Any) -> dict[str, Tensor]:
        """Return scalar tensors on the device to add up over an epoch, such as the number of correct answers."""

    @abstractmethod
    def training_metrics(self, sums: dict[str, float], num_images: int) -> dict[str, float]:
        """Return the metrics of an epoch from its sums."""

    def soft_targets(self, targets: Any) -> Tensor:
        """Return targets as float32 [N, K] of which any weighted mean is a target, too; for the capability mixing."""
        raise NotImplementedError

    @abstractmethod
    def new_evaluator(self) -> Evaluator: ...

    def forward(self, images: Tensor) -> Any:
        return self._compiled(self.in_memory_format(images))

    def in_memory_format(self, images: Tensor) -> Tensor:
        """Return images [N, C, H, W] laid out as the network's weights are."""
        return images.contiguous(memory_format=self._memory_format)

    # Training ---------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.freezing = Freezing(self.network, self.run, self.stages)
            # Before the optimizer collects parameters and processes agree on their gradients; what is trained later
            # must be known to both, and is frozen as training starts.
            if not self.freezing.thaws:
                self.freezing.apply(0)

    def on_train_epoch_start(self) -> None:
        assert self.freezing is not None
        self.freezing.apply(self.current_epoch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self._note_broken("train", batch)
        if not len(batch.indices):
            raise UserError("channel 'train': no readable image was found for a batch; see the warnings above")
        images, targets = batch.images, batch.targets
        if self.mixing is not None:
            number = self.trainer.fit_loop.epoch_loop.total_batch_idx
            images, targets = self.mixing(images, self.soft_targets(targets), number, self.global_rank)
        outputs = self(images)
        losses = self.losses(outputs, targets)
        total = torch.stack(list(losses.values())).sum()
        with torch.no_grad():
            self._watch(total, batch.indices)
            count = len(batch.indices)
            sums = {name: value.detach().float() * count for name, value in losses.items()}
            self._add({"images": torch.tensor(float(count)), "loss": total.detach().float() * count, **sums})
            self._add(self.training_sums(outputs, targets))
        self.last_loss = total.detach()
        return total

    def _add(self, sums: dict[str, Tensor]) -> None:
        for name, value in sums.items():
            previous = self._sums.get(name)
            # Doubles, so that counts stay exact and the order of adding does not show.
            value = value.detach().to(torch.float64)
            # Where the value is: what a checkpoint has brought lies on the host, for which every step would wait.
            self._sums[name] = value if previous is None else previous.to(value.device) + value

    def _watch(self, loss: Tensor, indices: Tensor) -> None:
        """Remember the images of the first batch whose loss is not finite, without asking the device for it."""
        marks = torch.where(torch.isfinite(loss), torch.full_like(indices, -1), indices)
        if self._suspects is None or self._suspects.shape != marks.shape:
            self._suspects = marks
        else:
            self._suspects = torch.where(self._suspects >= 0, self._suspects, marks)

    def check_finite(self) -> None:
        """Raise UserError naming the images of the first batch whose loss was NaN or infinite, if there was one."""
        if self._suspects is None or bool((self._suspects < 0).any()):
            return
        dataset = self.trainer.datamodule.train  # type: ignore[attr-defined]
        keys = [dataset.reader.key(int(index)) for index in self._suspects[:8].tolist()]
        raise UserError(
            f"the loss became infinite or NaN at or before step {self.trainer.global_step} in a batch with "
            f"{', '.join(keys)}: lower hp.learning_rate (now {self.hyperparameters.learning_rate:g}), or look at "
            f"the labels of these records"
        )

    def finish_training_epoch(self) -> dict[str, float]:
        """Return the metrics of the epoch over all processes and reset the sums."""
        self.check_finite()
        names = sorted(self._sums)
        device = self.device
        totals = torch.stack([self._sums[name].to(device) for name in names])
        totals = self.trainer.strategy.reduce(totals, reduce_op="sum")
        self._sums = {}
        metrics = self._metrics_of(dict(zip(names, totals.tolist(), strict=True)))
        return {f"train_{name}": value for name, value in metrics.items()}

    def running_metrics(self) -> dict[str, float]:
        """Return this process's metrics of the epoch so far, without prefix. Waits for the device: call it rarely."""
        totals = torch.stack([value.to(self.device) for value in self._sums.values()])
        return self._metrics_of(dict(zip(self._sums, totals.tolist(), strict=True)))

    def _metrics_of(self, sums: dict[str, float]) -> dict[str, float]:
        num_images = int(sums.pop("images"))
        losses = {name: sums[name] / num_images for name in ("loss", *self.loss_names) if name in sums}
        return {**losses, **self.training_metrics(sums, num_images)}

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the single losses worth a column of their own in the history."""
        return ()

    def configure_optimizers(self) -> Any:
        hp = self.hyperparameters
        rules = GroupRules(self.stages, self.run.base_rate_factor, self.run.decay_weights_only)
        # Clipped gradients must have lost float16's scale before, which fused kernels take away themselves.
        may_fuse = self.run.clip_gradient_norm is None or self.trainer.precision == "32-true"
        optimizer = build_optimizer(self.network, hp.optimizer, hp.optimizer_settings(), rules, may_fuse=may_fuse)
        updates_per_epoch = -(-self.steps_per_epoch // self.run.accumulate)
        schedule = build_schedule(optimizer, hp, updates_per_epoch, self.run)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # Evaluation -------------------------------------------------------------------------------------------------

    def on_validation_start(self) -> None:
        if self.trainer.state.fn == "fit":
            schedule = self.lr_schedulers()
            assert isinstance(schedule, Schedule)
            rate = schedule.last_used_rate()
            share_buffers(self.network)
            self.epoch_metrics = {**self.finish_training_epoch(), "learning_rate": rate}

    def on_validation_epoch_start(self) -> None:
        self._evaluator = self.new_evaluator()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._note_broken("validation", batch)
        if len(batch.indices):
            self._evaluator.update(self(batch.images), batch.targets, batch.indices)

    def image_metrics(self, arrays: dict[str, np.ndarray]) -> ImageMetrics:
        """Return the metrics by which this model is evaluated, of the arrays of any model of its kind."""
        return self._evaluator.image_metrics(arrays)

    def on_validation_epoch_end(self) -> None:
        arrays = gather_arrays(self._evaluator.arrays())
        self.evaluation = self._evaluator.evaluate(arrays)
        if self.trainer.state.fn != "fit":
            self.evaluated = arrays
        self.epoch_metrics.update({f"validation_{name}": value for name, value in self.evaluation.metrics.items()})
        self.log_dict(self.epoch_metrics, rank_zero_only=True)

    def _note_broken(self, channel: str, batch: Batch) -> None:
        if batch.broken:
            self.broken[channel].note(batch.broken)

    # Checkpoints ------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.check_finite()
        checkpoint["epoch_sums"] = {name: value.cpu() for name, value in self._sums.items()}
        checkpoint["rng_state"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what is ours. Raises UserError for the checkpoint of another network or program."""
        own, found = _shapes(self.state_dict()), _shapes(checkpoint["state_dict"])
        differing = sorted((name for name in own.keys() | found.keys() if own.get(name) != found.get(name)), key=str)
        foreign = {"epoch_sums", "rng_state"} - checkpoint.keys()
        if differing or foreign:
            where = (
                f"{len(differing)} weights differ, first {differing[0]!s:.100}"
                if differing
                else "no sums or random state"
            )
            raise UserError(
                f"the checkpoint to resume from is of another network or program ({where}): put the run's own back, or "
                "remove it to train from the start"
            )
        self._sums = dict(checkpoint["epoch_sums"])
        self._rng_state = checkpoint["rng_state"]

    def on_train_start(self) -> None:
        # A run that resumes inside an epoch does not start it again.
        assert self.freezing is not None
        self.freezing.apply(self.current_epoch)
        if self._rng_state is not None:
            torch.set_rng_state(self._rng_state)
            self._rng_state = None


def _shapes(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}

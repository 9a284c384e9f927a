"""Puts a Lightning trainer together from the run settings."""

from __future__ import annotations

import inspect
import logging
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from vision.data.allocation import keep_large_blocks
from vision.settings.device import gpu_number
from vision.settings.hyperparameters import TrainingHyperparameters
from vision.settings.learning import LearningSettings
from vision.settings.run import RunSettings
from vision.training.accelerator import choose_accelerator
from vision.training.batch_norm import BatchNormStatistics
from vision.training.checkpoints import AtomicCheckpointIO
from vision.training.loggers import build_loggers
from vision.training.processes import machines
from vision.training.weight_average import AverageWeights

log = logging.getLogger(__name__)

# Its name since torch 2.13, and before.
_SYNC_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in inspect.signature(DistributedDataParallel).parameters
)

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


def wanted_precision(hyperparameters: TrainingHyperparameters, run: RunSettings) -> str:
    """Return float32, float16 or bfloat16: ``run.precision``, or what the hyperparameters say."""
    return hyperparameters.precision if run.precision == "auto" else run.precision


def choose_precision(hyperparameters: TrainingHyperparameters, run: RunSettings, accelerator: str) -> Precision:
    """Return Lightning's name of the precision; float16 means automatic mixed precision with loss scaling on CUDA.

    A CPU has no fast float16, so there float16 trains in float32 and says so. float32 on CUDA is NVIDIA's TF32 where
    the GPU has it, for matrix products (``build_trainer``) as PyTorch has it for convolutions: 10 bits of mantissa.
    """
    wanted = wanted_precision(hyperparameters, run)
    if wanted == "float16" and accelerator == "cpu":
        log.warning(
            "float16 is not faster on a CPU: training in float32 instead; run.precision=bfloat16 is the fast choice "
            "on a CPU that has it"
        )
        wanted = "float32"
    if wanted == "bfloat16" and accelerator == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        log.warning(
            "this GPU has no bfloat16, which came with the generation of the A100, and imitates it slowly: "
            "run.precision=float16 is its fast choice"
        )
    names: dict[str, Precision] = {"float32": "32-true", "float16": "16-mixed", "bfloat16": "bf16-mixed"}
    return names[wanted]


def build_trainer(
    hyperparameters: TrainingHyperparameters,
    run: RunSettings,
    *,
    callbacks: list[pl.Callback],
    folder: Path | None = None,
    alone: bool = False,
) -> pl.Trainer:
    """Return the trainer for ``fit`` and ``validate``: all checkpoints, bars and files are those of our callbacks.

    ``alone`` keeps it to this process, whatever the environment says.
    """
    accelerator, devices = choose_accelerator(run)
    number = gpu_number(run.device)
    if alone:
        devices = 1
    if accelerator == "cuda":
        torch.set_float32_matmul_precision("high")
    else:
        # Every batch of a run needs the memory of the one before.
        keep_large_blocks(None)
    loggers = [] if folder is None else build_loggers(run, folder)
    # Our sampler resumes inside an epoch by itself, which Lightning cannot see.
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    options: dict[str, Any] = {}
    nodes = 1 if alone else machines()
    if devices * nodes > 1:
        # The task shares batch normalization's statistics before each validation. DDP would do so at every step of
        # training, and at a process's first batch of validation, in which the others need not have one.
        ddp_options: dict[str, Any] = {_SYNC_BUFFERS: False}
        # Parameters that are trained later have no gradients at first.
        ddp_options["find_unused_parameters"] = run.freeze_epochs is not None
        options["strategy"] = DDPStrategy(timeout=timedelta(seconds=run.stall_timeout_s), **ddp_options)
    return pl.Trainer(
        accelerator=accelerator,
        devices=devices if number is None else [number],
        num_nodes=nodes,
        precision=choose_precision(hyperparameters, run, accelerator),
        max_epochs=hyperparameters.epochs,
        accumulate_grad_batches=run.accumulate,
        gradient_clip_val=run.clip_gradient_norm,
        callbacks=callbacks,
        sync_batchnorm=hyperparameters.sync_batch_norm and accelerator == "cuda" and devices * nodes > 1,
        # The environment of one process, where torchrun's would insist on all of them.
        plugins=[AtomicCheckpointIO(), *([LightningEnvironment()] if alone else [])],
        logger=loggers,
        log_every_n_steps=run.log_every_steps,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        # Which kernel is the fastest is measured, so that another may be chosen in the next run.
        benchmark=accelerator == "cuda" and not run.deterministic,
        # A kernel that has no such variant is named in a warning.
        deterministic="warn" if accelerator == "cuda" and run.deterministic else False,
        default_root_dir=folder,
        **options,
    )


def learning_callbacks(learning: LearningSettings) -> list[pl.Callback]:
    """Return those that the settings ask for: to stand behind what looks at a validation, and before checkpoints."""
    callbacks: list[pl.Callback] = []
    if learning.ema_decay is not None:
        callbacks.append(AverageWeights(learning.ema_decay))
    if learning.batch_norm_batches:
        # Behind the average, whose statistics they are.
        callbacks.append(BatchNormStatistics(learning.batch_norm_batches))
    return callbacks

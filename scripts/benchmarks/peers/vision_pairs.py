"""This package's loader as a run uses it: batches of images and masks of semantic segmentation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import torch
from answering import Pipe, answer
from feeding import training_data
from work import job_of

from vision import __version__
from vision.data.image_codec import prepare_process

pipe = Pipe()
prepare_process()
job = job_of(pipe.job)
module = training_data(job, None)
module.trainer = cast(Any, SimpleNamespace(global_rank=0, world_size=1))
loader = module.train_dataloader()
batches = iter(loader)


def next_batch() -> Any:
    global batches
    batch = next(batches, None)
    if batch is None:
        batches = iter(loader)
        batch = next(batches)
    return batch


side = job.hyperparameters.crop_px
assert next_batch().targets.shape == (job.hyperparameters.mini_batch_size, side, side)
pipe.ready(vision=__version__, torch=torch.__version__)
answer(pipe, next_batch)

"""This package's loader as a run uses it: batches of images and masks of semantic segmentation."""

from __future__ import annotations

import torch
from answering import Pipe, answer
from feeding import endless, training_data
from work import job_of

from vision import __version__
from vision.data.image_codec import prepare_process

pipe = Pipe()
prepare_process()
job = job_of(pipe.job)
batches = endless(training_data(job, None))
side = job.hyperparameters.crop_px
assert next(batches).targets.shape == (job.hyperparameters.mini_batch_size, side, side)
pipe.ready(vision=__version__, torch=torch.__version__)
answer(pipe, lambda: next(batches))

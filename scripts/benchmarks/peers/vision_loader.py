"""This package's loader as a run uses it: batches uint8 [N, 3, H, W] of image classification."""

from __future__ import annotations

import torch
from answering import Pipe, answer
from feeding import endless

from vision import __version__, algorithms
from vision.api.run_data import dataset
from vision.data.dali.loader import DaliSettings
from vision.data.datamodule import VisionDataModule
from vision.data.image_codec import prepare_process
from vision.data.readers.recordio import RecordIOReader
from vision.settings.job import Job

pipe = Pipe()
settings = pipe.job
prepare_process()
algorithm = algorithms.get("image_classification")
side = settings["side_px"]
reader = RecordIOReader([settings["rec"]])
given: dict[str, object] = {
    "num_classes": 10,
    "num_training_samples": len(reader),
    "mini_batch_size": settings["batch"],
    "num_layers": 20,
    "image_shape": f"3,{side},{side}",
    "augmentation_type": "crop",
}
if settings["resize_px"]:
    given["resize"] = settings["resize_px"]
channels = {"train": settings["rec"], "validation": settings["rec"]}
job = Job.parse(
    algorithm.facts.name, algorithm.facts.hyperparameters, given, channels, settings["run"], algorithm.facts.channels
)
data = dataset(algorithm, job, reader, "train")
module = VisionDataModule(
    train=data,
    validation=data,
    batch_size=settings["batch"],
    validation_batch=settings["batch"],
    workers=settings["workers"],
    seed=0,
    pin_memory=False,
    dali=DaliSettings(settings["threads"], on_gpu=False) if job.run.loader == "dali" else None,
)
batches = endless(module)
assert next(batches).images.shape == (settings["batch"], 3, side, side)
pipe.ready(vision=__version__, torch=torch.__version__)
answer(pipe, lambda: next(batches))

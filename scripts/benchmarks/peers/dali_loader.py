"""DALI's MXNet reader on the CPU, with the same operators: batches uint8 [N, H, W, 3]."""

from __future__ import annotations

from typing import Any

import nvidia.dali
from answering import Pipe, answer
from nvidia.dali import fn, pipeline_def, types

pipe = Pipe()
job = pipe.job
side = job["side_px"]


@pipeline_def(batch_size=job["batch"], num_threads=job["threads"], device_id=None, seed=1, prefetch_queue_depth=4)
def records() -> Any:
    encoded, label = fn.readers.mxnet(path=[job["rec"]], index_path=[job["idx"]], random_shuffle=True)
    image = fn.decoders.image(encoded, device="cpu", output_type=types.RGB)
    if job["resize_px"]:
        image = fn.resize(image, resize_shorter=job["resize_px"], interp_type=types.INTERP_LINEAR, antialias=False)
    image = fn.crop_mirror_normalize(
        image,
        dtype=types.UINT8,
        output_layout="HWC",
        crop=(side, side),
        crop_pos_x=fn.random.uniform(range=(0, 1)),
        crop_pos_y=fn.random.uniform(range=(0, 1)),
        mirror=fn.random.coin_flip(),
        mean=[0.0] * 3,
        std=[1.0] * 3,
    )
    return image, label


loader = records()
loader.build()
assert loader.run()[0].as_array().shape == (job["batch"], side, side, 3)
pipe.ready(dali=nvidia.dali.__version__)
answer(pipe, loader.run)

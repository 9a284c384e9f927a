"""MXNet's ImageRecordIter: batches uint8 [N, 3, H, W]."""

from __future__ import annotations

from typing import Any

from answering import Pipe, answer

from tests.interop_mxnet.mxnet_shim import import_mxnet

mx = import_mxnet()
pipe = Pipe()
job = pipe.job
side = job["side_px"]
records = mx.io.ImageRecordIter(
    path_imgrec=job["rec"],
    path_imgidx=job["idx"],
    data_shape=(3, side, side),
    batch_size=job["batch"],
    shuffle=True,
    resize=job["resize_px"] or -1,
    rand_crop=True,
    rand_mirror=True,
    dtype="uint8",
    preprocess_threads=job["threads"],
)


def next_batch() -> Any:
    try:
        batch = records.next()
    except StopIteration:
        records.reset()
        batch = records.next()
    batch.data[0].wait_to_read()
    return batch


first = next_batch()
assert first.data[0].shape == (job["batch"], 3, side, side)
pipe.ready(mxnet=mx.__version__)
answer(pipe, next_batch)

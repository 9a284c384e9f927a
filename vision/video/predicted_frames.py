"""What a model says of frames, in batches that are prepared by threads while the model answers the one before."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

from vision.api.model import Model, PreparedImage
from vision.data.prefetch import Prefetch
from vision.settings.device import usable_cores
from vision.video.frames import Frame, LiveFrames, StoredFrames

_BATCH = 32
# Whole frames wait for their prediction, to be drawn: the most bytes of them in a batch.
_BATCH_BYTES = 96 << 20
# Batches whose frames are being prepared while the model has another.
_AHEAD = 2


@dataclass(frozen=True, eq=False)
class PredictedFrame:
    """A frame as ``rgb`` uint8 [H, W, 3], what the network was shown of it, and the algorithm's own ``prediction``."""

    number: int
    seconds: float
    rgb: np.ndarray
    prepared: PreparedImage
    prediction: object


def predicted_frames(model: Model, frames: StoredFrames | LiveFrames) -> Generator[list[PredictedFrame], None, None]:
    """Yield the frames in order, a batch at a time; those of a live stream one by one, each as soon as it came."""
    with ThreadPoolExecutor(usable_cores(), "prepare") as pool:
        if isinstance(frames, LiveFrames):
            for frame in frames:
                yield _predict(model, [pool.submit(_prepare, model, frame)])
            return
        width, height = frames.capture.size_px
        size = max(1, min(_BATCH, _BATCH_BYTES // max(1, 3 * width * height)))
        waiting: deque[list[Future[_Prepared]]] = deque()
        decoded = Prefetch(iter(frames), size)
        try:
            with decoded:
                source = iter(decoded)
                while batch := [pool.submit(_prepare, model, frame) for frame in islice(source, size)]:
                    waiting.append(batch)
                    if len(waiting) == _AHEAD:
                        yield _predict(model, waiting.popleft())
        finally:
            # The capture may be closed only when nothing reads it.
            decoded.wait()
        while waiting:
            yield _predict(model, waiting.popleft())


@dataclass(frozen=True, eq=False)
class _Prepared:
    frame: Frame
    rgb: np.ndarray
    image: PreparedImage


def _prepare(model: Model, frame: Frame) -> _Prepared:
    rgb = cv2.cvtColor(frame.bgr, cv2.COLOR_BGR2RGB, dst=frame.bgr)
    return _Prepared(frame, rgb, model.prepare_decoded(rgb, f"frame {frame.number}"))


def _predict(model: Model, batch: list[Future[_Prepared]]) -> list[PredictedFrame]:
    prepared = [future.result() for future in batch]
    predictions = model.predict_prepared([one.image for one in prepared])
    return [
        PredictedFrame(one.frame.number, one.frame.seconds, one.rgb, one.image, prediction)
        for one, prediction in zip(prepared, predictions, strict=True)
    ]

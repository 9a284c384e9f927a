"""This package's way from a clip to predictions, without files: batches, prepared while the model has another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from answering import Pipe, answer
from work import model_of

from vision import __version__
from vision.video.capture import Capture
from vision.video.frames import Limits, open_frames
from vision.video.predicted_frames import PredictedFrame, predicted_frames
from vision.video.sources import Source

pipe = Pipe()
model = model_of(pipe.job)


def endless() -> Iterator[PredictedFrame]:
    while True:
        with Capture(Source(path=Path(pipe.job["clip"]))) as capture:
            for batch in predicted_frames(model, open_frames(capture, Limits())):
                yield from batch


frames = endless()
next(frames)
pipe.ready(vision=__version__)
answer(pipe, lambda: [next(frames) for _ in range(pipe.job["batch"])])

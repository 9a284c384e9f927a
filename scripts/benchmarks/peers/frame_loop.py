"""The loop that one would write by hand: read a frame, predict it. Without ``predicts``, read alone."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from answering import Pipe, answer
from work import model_of

pipe = Pipe()
model = model_of(pipe.job)


def endless() -> Iterator[np.ndarray]:
    while True:
        clip = cv2.VideoCapture(pipe.job["clip"])
        while True:
            found, bgr = clip.read()
            if not found:
                break
            yield bgr


def batch() -> None:
    for _ in range(pipe.job["batch"]):
        bgr = next(frames)
        if pipe.job["predicts"]:
            model.predict(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


frames = endless()
batch()
pipe.ready(opencv=cv2.__version__, torch=torch.__version__)
answer(pipe, batch)

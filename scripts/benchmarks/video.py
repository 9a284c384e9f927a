"""Frames of a video that a model looks at, beside the loop that one would write by hand, and beside decoding alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
from comparison import Comparison
from contestant import Contestant
from environments import Environments
from measure import images_per_second
from pictures import picture
from settings import Settings

SETTINGS: dict[str, tuple[Any, str]] = {
    "depth": (18, "of the ResNet that looks at frames"),
    "side": (224, "of its input, in pixels"),
    "threads": (0, "of every side's network; 0 is one a core"),
}
WIDTH_PX, HEIGHT_PX, FRAMES = 640, 480, 200
BATCH = 32
WORK = "frames of a 640x480 MPEG-4 clip"


def compare(settings: Settings, environments: Environments) -> Iterator[Comparison]:
    """Return prediction beside the loop, and beside decoding alone, which bounds both."""
    if not settings.wants(WORK):
        return
    cores = os.cpu_count() or 1
    threads = settings["threads"] or cores
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        job = {
            "algorithm": "image_classification",
            "hyperparameters": {
                "num_classes": 10,
                "num_training_samples": 1,
                "num_layers": settings["depth"],
                "image_shape": f"3,{settings['side']},{settings['side']}",
            },
            "run": {"device": "cpu"},
            "folder": folder,
            "clip": str(write_clip(Path(folder) / "clip.mp4")),
            "batch": BATCH,
        }

        def start(script: str, **more: Any) -> Contestant:
            return stack.enter_context(Contestant(script, {**job, **more}, threads=threads, cores=cores))

        sides = {
            "vision": start("vision_video.py"),
            "loop": start("frame_loop.py", predicts=True),
            "decoding": start("frame_loop.py", predicts=False),
        }
        rounds, seconds, clock = settings["rounds"], settings["seconds"], settings["clock"]
        found = images_per_second(sides, BATCH, rounds=rounds, seconds=seconds, clock=clock)
        work = f"{WORK}, ResNet-{settings['depth']} at {settings['side']}, threads {threads}"
        versions = sides["vision"].versions | sides["loop"].versions
        unit = f"frames/s{' of CPU' if clock == 'cpu' else ''}"
        for peer, title, goal in (("loop", "read and predict one by one", 1.0), ("decoding", "decoding alone", None)):
            yield Comparison.of(work, unit, title, found["vision"], found[peer], goal, versions)


def write_clip(path: Path) -> Path:
    """Write a clip of a window that moves over a picture."""
    whole = picture(2 * WIDTH_PX, 2 * HEIGHT_PX)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 25, (WIDTH_PX, HEIGHT_PX))
    for number in range(FRAMES):
        x, y = 3 * number, 2 * number
        writer.write(whole[y : y + HEIGHT_PX, x : x + WIDTH_PX])
    writer.release()
    return path

"""Semantic segmentation beside torchvision's references: loading pairs of images and masks, and the training step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from comparison import Comparison
from contestant import Contestant
from environments import Environments
from measure import images_per_second
from pictures import CLASSES, write_pairs
from settings import Settings

SETTINGS: dict[str, tuple[Any, str]] = {
    "load_batch": (16, "images of a batch that is loaded"),
    "batch": (4, "images of a training step"),
    "side": (240, "of the square crops, in pixels"),
    "threads": (0, "of every side of the training step; 0 is one a core"),
}
WIDTH_PX, HEIGHT_PX, PAIRS = 480, 360, 128
LOADING, STEP = "480x360 pairs on one core", "FCN ResNet-50 training step"
LOADING_GOAL, STEP_GOALS = 1.5, {"float32": 1.0, "bfloat16": None}


def compare(settings: Settings, environments: Environments) -> Iterator[Comparison]:
    """Return loading by one core, then the step in both precisions."""
    if settings.wants(LOADING):
        yield _loading(settings)
    if settings.wants(STEP):
        yield from _steps(settings)


def _loading(settings: Settings) -> Comparison:
    batch = settings["load_batch"]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        job = {
            "algorithm": "semantic_segmentation",
            "hyperparameters": _hyperparameters(batch, settings["side"], PAIRS),
            "channels": write_pairs(Path(folder), WIDTH_PX, HEIGHT_PX, PAIRS),
            "run": {"device": "cpu", "workers": 0, "cache": "none"},
        }
        sides = {
            name: stack.enter_context(Contestant(f"{name}_pairs.py", job, threads=1, cores=1))
            for name in ("vision", "torchvision")
        }
        versions = sides["vision"].versions | sides["torchvision"].versions
        found = _measured(sides, batch, settings)
    work = f"{LOADING}, crop {settings['side']}, batch {batch}"
    title = "torchvision's reference transforms"
    return Comparison.of(work, _unit(settings), title, found["vision"], found["torchvision"], LOADING_GOAL, versions)


def _steps(settings: Settings) -> Iterator[Comparison]:
    batch, threads = settings["batch"], settings["threads"] or os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        job = {
            "algorithm": "semantic_segmentation",
            "hyperparameters": _hyperparameters(batch, settings["side"], batch),
            "folder": folder,
        }

        def start(script: str, run: dict[str, str]) -> Contestant:
            return stack.enter_context(Contestant(script, {**job, "run": run}, threads=threads, cores=threads))

        sides = {name: start("vision_step.py", {"precision": name, "device": "cpu"}) for name in STEP_GOALS}
        sides["theirs"] = start("torchvision_fcn_step.py", {})
        found = _measured(sides, batch, settings)
        for precision, goal in STEP_GOALS.items():
            versions = sides[precision].versions | sides["theirs"].versions
            work = f"{STEP} at {settings['side']}, batch {batch}, {precision}, threads {threads}"
            title = "torchvision's reference loop, float32"
            yield Comparison.of(work, _unit(settings), title, found[precision], found["theirs"], goal, versions)


def _measured(sides: dict[str, Contestant], batch: int, settings: Settings) -> dict[str, list[float]]:
    rounds, seconds, clock = settings["rounds"], settings["seconds"], settings["clock"]
    return images_per_second(sides, batch, rounds=rounds, seconds=seconds, clock=clock)


def _unit(settings: Settings) -> str:
    return f"images/s{' of CPU' if settings['clock'] == 'cpu' else ''}"


def _hyperparameters(batch: int, side_px: int, count: int) -> dict[str, Any]:
    return {
        "num_classes": CLASSES,
        "num_training_samples": count,
        "mini_batch_size": batch,
        "crop_size": side_px,
        "use_pretrained_model": 0,
        "epochs": 1,
    }

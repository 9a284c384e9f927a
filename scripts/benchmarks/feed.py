"""Training that is fed from a .rec beside the same steps on a batch that is ready: what its data costs a run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparison import Comparison
from contestant import Contestant
from environments import Environments
from measure import images_per_second
from pictures import CLASSES, write_pairs, write_records
from settings import Settings

SETTINGS: dict[str, tuple[Any, str]] = {
    "device": ("auto", "cpu, cuda, or auto: cuda where there is one"),
    "batch": (0, "images of a step; 0 is as many as the device likes"),
    "precision": ("", "float32, float16 or bfloat16; empty is float16 on a GPU and float32 on a CPU"),
    "loader": (
        "standard",
        "standard, or dali where NVIDIA DALI is installed: then decoded each time alone is measured",
    ),
    "pictures": (2048, "records, of 500x375 pixels, of which 64 differ"),
}
WIDTH_PX, HEIGHT_PX = 500, 375
GPU_GOAL = 0.95
PEER = "the same steps on a ready batch"
# By what the loader then has to do.
FEEDS = {"decoded each time": "none", "decoded once": "memory"}


@dataclass(frozen=True)
class Case:
    """A network, and the batches that a GPU and a CPU like. ``objects`` in every picture, if any.

    With ``masks`` the pictures and their masks are files in folders, in place of a .rec.
    """

    algorithm: str
    hyperparameters: Mapping[str, Any]
    gpu_batch: int
    cpu_batch: int
    objects: int = 0
    masks: bool = False


CASES = {
    "ResNet-50 at 224": Case(
        "image_classification",
        {"num_layers": 50, "image_shape": "3,224,224", "resize": 256, "augmentation_type": "crop"},
        gpu_batch=256,
        cpu_batch=8,
    ),
    "SSD-300 resnet-50": Case(
        "object_detection",
        # Noise has nothing to learn, and a large rate leads to infinity.
        {"base_network": "resnet-50", "use_pretrained_model": 0, "learning_rate": 1e-5},
        gpu_batch=64,
        cpu_batch=4,
        objects=8,
    ),
    "FCN resnet-50 at 240": Case(
        "semantic_segmentation",
        {"use_pretrained_model": 0, "crop_size": 240},
        gpu_batch=64,
        cpu_batch=4,
        masks=True,
    ),
}


def compare(settings: Settings, environments: Environments) -> Iterator[Comparison]:
    """Each network, fed in each way."""
    device = _device(settings)
    for name, case in CASES.items():
        if settings.wants(name):
            yield from _compare(name, case, settings, device)


def _compare(name: str, case: Case, settings: Settings, device: str) -> Iterator[Comparison]:
    batch = settings["batch"] or (case.gpu_batch if device == "cuda" else case.cpu_batch)
    precision = settings["precision"] or ("float16" if device == "cuda" else "float32")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        count = max(settings["pictures"], batch)
        data: dict[str, Any] = {"records": f"{folder}/pictures.rec"}
        if case.masks:
            data = {"records": None, "channels": write_pairs(Path(folder), WIDTH_PX, HEIGHT_PX, count)}
        else:
            write_records(Path(data["records"]), WIDTH_PX, HEIGHT_PX, count, objects=case.objects)
        counts = {"num_classes": CLASSES, "num_training_samples": settings["pictures"], "mini_batch_size": batch}
        job = {
            "algorithm": case.algorithm,
            "hyperparameters": {**counts, **case.hyperparameters, "epochs": 1_000_000},
            "folder": folder,
        }

        def start(told: Mapping[str, Any], cache: str) -> Contestant:
            run = {"precision": precision, "device": device, "cache": cache, "loader": settings["loader"]}
            cores = os.cpu_count() or 1
            given = {**job, **told, "run": run}
            return stack.enter_context(
                Contestant("vision_step.py", given, threads=cores, cores=cores, gpu=device == "cuda")
            )

        can_cache = settings["loader"] == "standard" and not case.masks
        feeds = {feed: cache for feed, cache in FEEDS.items() if can_cache or cache == "none"}
        sides = {feed: start(data, cache) for feed, cache in feeds.items()}
        sides[PEER] = start({}, "none")
        found = images_per_second(
            sides, batch, rounds=settings["rounds"], seconds=settings["seconds"], clock=settings["clock"]
        )
        goal = GPU_GOAL if device == "cuda" else None
        for feed in feeds:
            work = f"{name}, batch {batch}, {precision}, {device}, {feed}, loader {settings['loader']}"
            unit = f"images/s{' of CPU' if settings['clock'] == 'cpu' else ''}"
            yield Comparison.of(work, unit, PEER, found[feed], found[PEER], goal, sides[feed].versions)


def _device(settings: Settings) -> str:
    # Here and not above, because the other subjects need not wait for torch.
    import torch

    if settings["device"] not in ("auto", "cpu", "cuda"):
        raise SystemExit(f"device={settings['device']}: give cpu, cuda or auto")
    if settings["device"] == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return str(settings["device"])

"""SSD-300 beside torchvision's: target assignment and losses, decoding and NMS, and the whole training step.

Legend: N batch, A anchors, K classes incl. background.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from comparison import Comparison
from contestant import Contestant
from environments import Environments
from measure import images_per_second, in_turn
from settings import Settings

SETTINGS: dict[str, tuple[Any, str]] = {
    "batch": (4, "images of a training step"),
    "losses_batch": (32, "images of a call of the losses, and of NMS"),
    "device": ("cpu", "of the losses and NMS"),
    "threads": (0, "of every side on the CPU; 0 is one a core"),
}
NUM_CLASSES = 20
SIDE_PX = 300
GOALS = {
    "assignment and losses": 6.0,
    "assignment, losses and backward": 5.0,
    "decoding and NMS, untrained": 5.0,
    "decoding and NMS, trained": 5.0,
}
STEP = "SSD-300 vgg-16 training step"
STEP_GOALS = {"float32": 1.2, "bfloat16": None}


def compare(settings: Settings, environments: Environments) -> Iterator[Comparison]:
    """The parts by themselves, then the step."""
    threads = settings["threads"] or os.cpu_count() or 1
    if any(settings.wants(part) for part in GOALS):
        yield from _parts(settings, threads)
    if settings.wants(STEP):
        yield from _steps(settings, threads)


def _steps(settings: Settings, threads: int) -> Iterator[Comparison]:
    hyperparameters = {
        "num_classes": NUM_CLASSES,
        "num_training_samples": settings["batch"],
        "mini_batch_size": settings["batch"],
        "base_network": "vgg-16",
        "use_pretrained_model": 0,
        # Noise has nothing to learn, and a large rate leads to infinity.
        "learning_rate": 1e-5,
        "epochs": 1,
    }
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        job = {"algorithm": "object_detection", "hyperparameters": hyperparameters, "folder": folder}

        def start(script: str, run: dict[str, str]) -> Contestant:
            return stack.enter_context(Contestant(script, {**job, "run": run}, threads=threads, cores=threads))

        sides = {name: start("vision_step.py", {"precision": name, "device": "cpu"}) for name in STEP_GOALS}
        sides["theirs"] = start("torchvision_step.py", {})
        clock = settings["clock"]
        found = images_per_second(
            sides, settings["batch"], rounds=settings["rounds"], seconds=settings["seconds"], clock=clock
        )
        for precision, goal in STEP_GOALS.items():
            versions = sides[precision].versions | sides["theirs"].versions
            work = f"{STEP}, batch {settings['batch']}, {precision}, threads {threads}"
            unit = f"images/s{' of CPU' if clock == 'cpu' else ''}"
            title = "torchvision's reference loop, float32"
            yield Comparison.of(work, unit, title, found[precision], found["theirs"], goal, versions)


def _parts(settings: Settings, threads: int) -> Iterator[Comparison]:
    # Here and not above, because the other subjects need not wait for torchvision.
    import torch
    import torchvision

    sys.path.insert(0, str(Path(__file__).parent / "peers"))
    from detection_parts import make_parts

    from vision.data.allocation import keep_large_blocks

    # As every training does, for both sides here.
    keep_large_blocks(None)
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True
    batch = settings["losses_batch"]
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    clock = settings["clock"]
    for part, (ours, theirs) in make_parts(batch, NUM_CLASSES, SIDE_PX, torch.device(settings["device"])).items():
        if not settings.wants(part):
            continue
        sides = {"ours": _rate(ours, batch, clock), "theirs": _rate(theirs, batch, clock)}
        found = in_turn(sides, settings["rounds"])
        unit = f"images/s{' of CPU' if clock == 'cpu' else ''}"
        work = f"{part}, batch {batch}, {settings['device']}, threads {threads}"
        yield Comparison.of(work, unit, "torchvision", found["ours"], found["theirs"], GOALS[part], versions)


def _rate(call: Callable[[], Any], batch: int, clock: str) -> Callable[[], float]:
    """Images per second of one call, which ends when the device has done its work."""
    now = time.process_time if clock == "cpu" else time.perf_counter

    def rate() -> float:
        start = now()
        call()
        return batch / (now() - start)

    return rate

"""Training steps of image classification beside MXNet's and a bare PyTorch loop's, on batches that are ready."""

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
from settings import Settings

SETTINGS: dict[str, tuple[Any, str]] = {"threads": (0, "of every side on the CPU; 0 is one a core")}
CLASSES = 10


@dataclass(frozen=True)
class Case:
    """One network and batch; ``goals`` by (our precision, peer)."""

    depth: int
    side_px: int
    batch: int
    goals: Mapping[tuple[str, str], float]


GOALS = {("float32", "mxnet"): 1.0, ("float32", "bare"): 0.97, ("bfloat16", "mxnet"): 2.5}
CASES = {
    "ResNet-18 at 224, batch 16": Case(18, 224, 16, GOALS),
    "ResNet-20 at 28, batch 128": Case(20, 28, 128, GOALS),
}
TITLES = {"mxnet": "MXNet Module, float32", "bare": "bare PyTorch loop, float32"}


def compare(settings: Settings, environments: Environments) -> Iterator[Comparison]:
    """Each network in both precisions; bfloat16 where the processor has it."""
    for name, case in CASES.items():
        if settings.wants(name):
            yield from _compare(name, case, settings, environments)


def _compare(name: str, case: Case, settings: Settings, environments: Environments) -> Iterator[Comparison]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        threads = settings["threads"] or os.cpu_count() or 1
        job = {"algorithm": "image_classification", "hyperparameters": _hyperparameters(case), "folder": folder}

        def start(script: str, told: dict[str, Any], **where: str) -> Contestant:
            return stack.enter_context(Contestant(script, told, threads=threads, cores=threads, **where))

        sides = {
            precision: start("vision_step.py", {**job, "run": {"precision": precision, "device": "cpu"}})
            for precision in ("float32", "bfloat16")
        }
        sides["bare"] = start("torch_step.py", {**job, "run": {}})
        python = environments.python("mxnet")
        if python is not None:
            sides["mxnet"] = start("mxnet_step.py", _write_for_mxnet(case, Path(folder)), python=python)
        found = images_per_second(
            sides, case.batch, rounds=settings["rounds"], seconds=settings["seconds"], clock=settings["clock"]
        )
        unit = f"images/s{' of CPU' if settings['clock'] == 'cpu' else ''}"
        for (precision, peer), goal in case.goals.items():
            if peer in sides:
                work = f"{name}, {precision}, threads {threads}"
                versions = sides[precision].versions | sides[peer].versions
                yield Comparison.of(work, unit, TITLES[peer], found[precision], found[peer], goal, versions)


def _hyperparameters(case: Case) -> dict[str, Any]:
    return {
        "num_classes": CLASSES,
        "num_training_samples": case.batch,
        "mini_batch_size": case.batch,
        "num_layers": case.depth,
        "image_shape": f"3,{case.side_px},{case.side_px}",
        "epochs": 1,
    }


def _write_for_mxnet(case: Case, folder: Path) -> dict[str, Any]:
    """Our network as MXNet's files, and what its process must know of it."""
    from vision import algorithms
    from vision.interop.mxnet_export import classifier_for_mxnet

    algorithm = algorithms.get("image_classification")
    network = algorithm.build_network(
        algorithm.architecture(algorithm.facts.hyperparameters.parse(_hyperparameters(case)))
    )
    model = classifier_for_mxnet(network, multi_label=False, epoch=1)
    model.save(folder)
    facts = {"prefix": str(folder / model.prefix), "epoch": 1, "classes": CLASSES}
    return {**facts, "side_px": case.side_px, "batch": case.batch}

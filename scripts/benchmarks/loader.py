"""The loader beside MXNet's and DALI's: images per second from the same .rec, with the same operators."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comparison import Comparison
from contestant import Contestant
from environments import Environments
from measure import images_per_second
from pictures import write_records
from settings import Settings

SETTINGS: dict[str, tuple[Any, str]] = {}


@dataclass(frozen=True)
class Records:
    """A .rec of so many pictures of one size."""

    width_px: int
    height_px: int
    count: int


@dataclass(frozen=True)
class Case:
    """What is loaded, on how many cores, by how many loader processes of ours; ``goals`` by peer."""

    records: Records
    side_px: int
    resize_px: int | None
    batch: int
    cores: int
    workers: int
    goals: Mapping[str, float | None]
    run: Mapping[str, Any] = field(default_factory=lambda: {"cache": "none"})


PHOTOS = Records(500, 375, 2048)
LARGE = Records(1920, 1080, 384)
SMALL = Records(32, 32, 20_000)

CASES = {
    "500x375 to 256, crop 224, one core": Case(PHOTOS, 224, 256, 32, 1, 0, {"mxnet": 2.0, "dali": 1.2}),
    "500x375 to 256, crop 224, two cores": Case(PHOTOS, 224, 256, 32, 2, 2, {"mxnet": 3.5, "dali": 1.2}),
    "500x375 to 256, crop 224, run.loader=dali, one core": Case(
        PHOTOS, 224, 256, 32, 1, 0, {"dali": None}, {"cache": "none", "loader": "dali"}
    ),
    "1920x1080 to 256, crop 224, one core": Case(LARGE, 224, 256, 32, 1, 0, {"mxnet": 2.5}),
    "1920x1080 to 256, crop 224, two cores": Case(LARGE, 224, 256, 32, 2, 2, {"mxnet": 4.0}),
    "1920x1080 to 256, crop 224, scaled decode, one core": Case(
        LARGE, 224, 256, 32, 1, 0, {"mxnet": 2.5}, {"cache": "none", "scaled_decode": True}
    ),
    "1920x1080 to 256, crop 224, scaled decode, two cores": Case(
        LARGE, 224, 256, 32, 2, 2, {"mxnet": 4.0}, {"cache": "none", "scaled_decode": True}
    ),
    "32x32, crop 28, one core": Case(SMALL, 28, None, 128, 1, 0, {"mxnet": 5.0, "dali": 3.0}, {"cache": "memory"}),
}
TITLES = {"mxnet": "MXNet ImageRecordIter", "dali": "DALI CPU"}


def compare(settings: Settings, environments: Environments) -> Iterator[Comparison]:
    """Every case beside every peer."""
    for name, case in CASES.items():
        if settings.wants(name):
            yield from _compare(name, case, settings, environments)


def _compare(name: str, case: Case, settings: Settings, environments: Environments) -> Iterator[Comparison]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "pictures.rec"
        write_records(path, case.records.width_px, case.records.height_px, case.records.count)
        job = {
            "rec": str(path),
            "idx": str(path.with_suffix(".idx")),
            "side_px": case.side_px,
            "resize_px": case.resize_px,
            "batch": case.batch,
            "threads": case.cores,
            "workers": case.workers,
            "run": dict(case.run),
        }

        def start(script: str, **where: str) -> Contestant:
            return stack.enter_context(Contestant(script, job, threads=case.cores, cores=case.cores, **where))

        where = {}
        if case.run.get("loader") == "dali":
            python = environments.python("dali")
            if python is None:
                return
            where["python"] = python
        sides = {"ours": start("vision_loader.py", **where)}
        for peer in case.goals:
            python = environments.python(peer)
            if python is not None:
                sides[peer] = start(f"{peer}_loader.py", python=python)
        # Several cores are compared by the clock on the wall alone.
        clock = settings["clock"] if case.cores == 1 else "wall"
        found = images_per_second(
            sides, case.batch, rounds=settings["rounds"], seconds=settings["seconds"], clock=clock
        )
        for peer, goal in case.goals.items():
            if peer in sides:
                versions = sides["ours"].versions | sides[peer].versions
                unit = f"images/s{' of CPU' if clock == 'cpu' else ''}"
                yield Comparison.of(name, unit, TITLES[peer], found["ours"], found[peer], goal, versions)

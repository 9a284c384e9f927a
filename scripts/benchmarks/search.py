"""Exact search beside the plain matrix product of the same vectors, and indexing beside predicting the same photos."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comparison import Comparison
from environments import Environments
from measure import in_turn
from serve import pictures, write_model
from settings import Settings

from vision import __version__
from vision.api.model import load
from vision.retrieval.embedding_model import Content, EmbeddingModel
from vision.retrieval.indexing import index_images
from vision.retrieval.nearest_images import Vectors
from vision.settings.run import RunSettings

SETTINGS: dict[str, tuple[Any, str]] = {
    "vectors": (100_000, "in the index that is searched"),
    "dimension": (512, "of a vector"),
    "photos": (64, "of 500x375 that are indexed and predicted by ResNet-18 at 224"),
    "threads": (0, "of torch; 0 is one a core"),
}
QUERIES = (1, 32)
TOP = 10
SEARCHING, INDEXING = "exact search", "indexing photos"
# A search may take 1.2 times as long as the product, and indexing must have 0.95 of the speed of predicting.
SEARCHING_GOAL, INDEXING_GOAL = 1 / 1.2, 0.95
VERSIONS = {"vision": __version__, "torch": torch.__version__, "numpy": np.__version__}


def compare(settings: Settings, environments: Environments) -> Iterator[Comparison]:
    """Return searches by one and by many queries, then indexing."""
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    clock = time.process_time if settings["clock"] == "cpu" else time.perf_counter
    if settings.wants(SEARCHING):
        yield from _searching(settings, clock)
    if settings.wants(INDEXING):
        yield _indexing(settings, clock)


def _searching(settings: Settings, clock: Callable[[], float]) -> Iterator[Comparison]:
    number, dimension = settings["vectors"], settings["dimension"]
    rng = np.random.default_rng(0)
    vectors = Vectors(rng.standard_normal((number, dimension), np.float32))
    for queries in QUERIES:
        asked = rng.standard_normal((queries, dimension), np.float32)
        tensor = torch.from_numpy(asked)

        def search(asked: np.ndarray = asked) -> None:
            vectors.nearest(asked, TOP)

        def product(tensor: torch.Tensor = tensor) -> None:
            tensor @ vectors.vectors.T

        work = {"ours": search, "product": product}
        rates = {name: _rate(one, queries, settings["seconds"], clock) for name, one in work.items()}
        found = in_turn(rates, settings["rounds"])
        title = f"{SEARCHING}, {number:,} x {dimension}, queries {queries}, top {TOP}"
        unit = "queries/s"
        yield Comparison.of(title, unit, "matrix product", found["ours"], found["product"], SEARCHING_GOAL, VERSIONS)


def _indexing(settings: Settings, clock: Callable[[], float]) -> Comparison:
    encoded = pictures()
    photos = [
        (f"{number}.jpg", encoded[number % len(encoded)] + bytes([number % 256]))
        for number in range(settings["photos"])
    ]
    with tempfile.TemporaryDirectory() as folder:
        run = RunSettings(device="cpu")
        path = write_model(Path(folder) / "model")
        model, embedding = load(path, run), EmbeddingModel.open(str(path), run)
        fresh = count()

        def index() -> None:
            contents = (Content(name, data) for name, data in photos)
            done = index_images(Path(folder) / f"index-{next(fresh)}", embedding, contents, print)
            assert done.added == len(photos)

        def predict() -> None:
            assert sum("error" not in result for _, result in model.predict_files(photos)) == len(photos)

        work = {"ours": index, "predict": predict}
        rates = {name: _rate(one, len(photos), settings["seconds"], clock) for name, one in work.items()}
        found = in_turn(rates, settings["rounds"])
    title = f"{INDEXING}, 500x375 by ResNet-18 at 224"
    return Comparison.of(title, "images/s", "predicting", found["ours"], found["predict"], INDEXING_GOAL, VERSIONS)


def _rate(work: Callable[[], None], number: int, seconds: float, clock: Callable[[], float]) -> Callable[[], float]:
    """Return a call that does ``work`` on ``number`` things for about so many seconds and returns things a second."""

    def once() -> float:
        start, begun, times = clock(), time.perf_counter(), 0
        while not times or time.perf_counter() - begun < seconds:
            work()
            times += 1
        return times * number / (clock() - start)

    return once

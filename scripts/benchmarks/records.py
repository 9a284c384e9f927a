"""RecordIO without decoding: reading beside copying the same bytes in memory, and an index of ten million records."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from comparison import Comparison
from contestant import PEERS, ROOT
from environments import Environments
from measure import in_turn
from settings import Settings

from vision import __version__
from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter

SETTINGS: dict[str, tuple[Any, str]] = {
    "records": (2000, "records that are read, of about 110 KB, as photographs of 500x375 are"),
    "index": (10_000_000, "records of the index"),
}
RECORD_BYTES = 110_000
LINES_AT_A_TIME = 100_000
# What opening and shuffling the index may take.
LIMIT_S, LIMIT_MB = 2.0, 200.0
VERSIONS = {"vision": __version__, "numpy": np.__version__}


def compare(settings: Settings, environments: Environments) -> Iterator[Comparison]:
    """Reading in both orders, and the index with its keys in order and shuffled."""
    with tempfile.TemporaryDirectory() as folder:
        orders = {"records sequential": False, "records random": True}
        if any(map(settings.wants, orders)):
            path = _write_records(Path(folder) / "records.rec", settings["records"])
            for work, shuffled in orders.items():
                if settings.wants(work):
                    yield _reading(work, path, shuffled, settings)
        for work, shuffled in {"index, keys in order": False, "index, keys shuffled": True}.items():
            if settings.wants(work):
                yield from _opening(work, Path(folder) / "many.idx", shuffled, settings)


def _reading(work: str, path: Path, shuffled: bool, settings: Settings) -> Comparison:
    """Every record copied out of the file's map, beside one copy of as many bytes; both into touched memory."""
    reader = RecordIOReader([path])
    order = np.arange(len(reader))
    if shuffled:
        np.random.default_rng(0).shuffle(order)
    numbers = order.tolist()
    source = np.concatenate([np.frombuffer(reader.payload(number), np.uint8) for number in numbers])
    target = np.zeros_like(source)
    place = memoryview(target)

    def read() -> None:
        start = 0
        for number in numbers:
            payload = reader.payload(number)
            place[start : start + len(payload)] = payload
            start += len(payload)

    def copy() -> None:
        np.copyto(target, source)

    found = in_turn({"ours": _rate(read, source.nbytes), "copy": _rate(copy, source.nbytes)}, settings["rounds"])
    assert np.array_equal(target, source)
    return Comparison.of(work, "GB/s", "memory copy", found["ours"], found["copy"], 0.5, VERSIONS)


def _rate(work: Callable[[], None], size: int) -> Callable[[], float]:
    def once() -> float:
        start = time.perf_counter()
        work()
        return size / 1e9 / (time.perf_counter() - start)

    return once


def _write_records(path: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    with RecordIOWriter(path) as writer:
        for number, size in enumerate(rng.integers(RECORD_BYTES // 2, RECORD_BYTES * 3 // 2, count).tolist()):
            writer.write(number, pack(0.0, number, rng.bytes(size)))
    return path


def _opening(work: str, path: Path, shuffled: bool, settings: Settings) -> Iterator[Comparison]:
    """Seconds and memory of a fresh process each round, beside the limits."""
    count = settings["index"]
    _write_index(path, count, shuffled)
    found = [_probe(path) for _ in range(settings["rounds"])]
    seconds = [values[f"{settings['clock']}_s"] for values in found]
    peaks = [values["peak_mb"] for values in found]
    share = count / SETTINGS["index"][0]
    for unit, limit, values in (("seconds", LIMIT_S, seconds), ("MB", LIMIT_MB, peaks)):
        rates = [count / 1e6 / value for value in values]
        allowed = [count / 1e6 / (limit * share)] * len(rates)
        title = f"limit of {limit * share:g} {unit}"
        yield Comparison.of(f"{work}: {unit}", f"million records/{unit}", title, rates, allowed, 1.0, VERSIONS)


def _probe(path: Path) -> dict[str, float]:
    command: Sequence[str] = (sys.executable, str(PEERS / "vision_index.py"), str(path))
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    return json.loads(output)


def _write_index(path: Path, count: int, shuffled: bool) -> None:
    rng = np.random.default_rng(0)
    keys = rng.permutation(count) if shuffled else np.arange(count)
    with path.open("w") as file:
        for start in range(0, count, LINES_AT_A_TIME):
            part = keys[start : start + LINES_AT_A_TIME].tolist()
            file.write("".join(f"{key}\t{(start + place) * 40}\n" for place, key in enumerate(part)))

"""Indexes that are searched while images come and go."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from vision.retrieval import live_index
from vision.retrieval.image_index import ImageIndex, IndexDescription, IndexEntries
from vision.retrieval.live_index import LiveIndex

MADE_BY = IndexDescription(model="m", model_sha256="a" * 64, dimension=3)
# Adds one image after the other, and says each that is on disk.
ADDING = """
import sys
from pathlib import Path
from tests.retrieval.test_live_index import MADE_BY, entries
from vision.retrieval.image_index import ImageIndex
from vision.retrieval.live_index import LiveIndex
live = LiveIndex(ImageIndex.open_or_make(Path(sys.argv[1]), MADE_BY))
for number in range(10_000):
    live.add(entries(f"{number}-a", f"{number}-b"))
    print(number, flush=True)
"""


def entries(*names: str, vector: tuple[float, float, float] = (1, 0, 0)) -> IndexEntries:
    digests = np.stack([np.full(32, len(name), np.uint8) for name in names])
    return IndexEntries(names, digests, np.array([vector] * len(names), np.float16))


@pytest.fixture
def index(tmp_path: Path) -> ImageIndex:
    return ImageIndex.open_or_make(tmp_path / "index", MADE_BY)


def found(live: LiveIndex, vector: tuple[float, float, float], top: int = 1) -> list[str]:
    return [one.name for one in live.nearest(np.array([vector], np.float32), top)[0]]


def test_images_come_are_replaced_and_go(index: ImageIndex) -> None:
    live = LiveIndex(index)
    assert (len(live), found(live, (1, 0, 0))) == (0, [])
    live.add(entries("a", vector=(1, 0, 0)))
    live.add(entries("b", "long", vector=(0, 2, 0)))
    assert (len(live), live.names()) == (3, ["a", "b", "long"])
    assert (found(live, (0.1, 1, 0)), found(live, (1, 0.1, 0))) == (["b"], ["a"])
    assert (live.digest_of("long"), live.digest_of("c")) == (bytes([4] * 32), None)
    vector = live.vector_of("long")
    assert vector is not None
    assert (vector.tolist(), live.vector_of("c")) == ([0, 1, 0], None)
    live.add(entries("a", vector=(0, 0, 1)))
    assert (found(live, (0, 0, 1)), len(live)) == (["a"], 3)
    assert live.remove(["a", "c"]) == 1
    assert live.names() == LiveIndex(index).names() == ["b", "long"]


def test_what_another_process_does_is_seen(index: ImageIndex) -> None:
    one, other = LiveIndex(index), LiveIndex(ImageIndex.open(index.folder))
    one.add(entries("a"))
    other.add(entries("b", vector=(0, 1, 0)))
    assert found(one, (0, 1, 0)) == ["b"]
    # Between two looks: neither part is lost.
    one._loaded = LiveIndex(index)._loaded
    other.add(entries("c", vector=(0, 0, 1)))
    one.add(entries("d"))
    assert sorted(one.names()) == sorted(other.names()) == ["a", "b", "c", "d"]
    other.remove(["b"])
    assert found(one, (0, 1, 0)) != ["b"]


def test_many_small_parts_become_one(index: ImageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_index, "_MOST_SMALL_PARTS", 4)
    monkeypatch.setattr(live_index, "PART_IMAGES", 6)
    live = LiveIndex(index)
    names = [str(number) for number in range(21)]
    with monkeypatch.context() as patch:
        # A large index would be read for seconds, in which nobody can search.
        patch.setattr(live, "_load", lambda: pytest.fail("all parts are read again"))
        for name in names:
            live.add(entries(name))
        assert live.names() == names
    assert LiveIndex(index).names() == names
    assert len(index.part_marks()) < 8


def test_threads_that_search_while_others_add(index: ImageIndex) -> None:
    live = LiveIndex(index)
    live.add(entries("first", vector=(0, 1, 0)))
    threads = [
        threading.Thread(target=lambda part=part: [live.add(entries(f"{part}-{n}")) for n in range(40)])
        for part in range(2)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert found(live, (0, 1, 0)) == ["first"]
        assert len(found(live, (1, 0, 0), top=1000)) <= 81
    assert (len(live), len(set(found(live, (1, 0, 0), top=1000)))) == (81, 81)


def test_a_killed_process_loses_nothing_that_it_said(index: ImageIndex) -> None:
    process = subprocess.Popen([sys.executable, "-c", ADDING, str(index.folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = -1
    # Past the first joining of parts.
    while said < 70:
        said = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.communicate()[0].split()
    last = int(rest[-1]) if rest else said
    names = LiveIndex(index).names()
    # One more may be there, but never half of it.
    assert names in [[f"{n}-{side}" for n in range(count) for side in "ab"] for count in (last + 1, last + 2)]

"""How the benchmarks measure and tell it; not what they find."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "scripts" / "benchmarks"
MODULES = ("comparison", "contestant", "environments", "measure", "settings")
OWN = {"batch": (4, "images")}
PEER = f"""
import os, sys
sys.path.insert(0, {str(FOLDER / "peers")!r})
from answering import Pipe, answer
pipe = Pipe()
print("this goes to stderr")
made = []
pipe.ready(peer=pipe.job["version"], threads=os.environ["OMP_NUM_THREADS"])
answer(pipe, lambda: made.append(sum(range(1_000_000))))
"""


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The benchmarks' modules, which lie beside each other and in no package."""
    sys.path.insert(0, str(FOLDER))
    yield {name: importlib.import_module(name) for name in MODULES}
    sys.path.remove(str(FOLDER))
    for name in MODULES:
        del sys.modules[name]


def test_settings_are_read_as_their_defaults_types(scripts: dict[str, ModuleType]) -> None:
    settings = scripts["settings"].Settings(["rounds=3", "batch=8", "seconds=0.5", "peers=", "output=a.json"], OWN)
    assert (settings["rounds"], settings["batch"], settings["seconds"]) == (3, 8, 0.5)
    assert settings.peers == ()
    assert settings.output == Path("a.json")
    assert settings.wants("any work")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("round=3", "'round=3' is no setting: .*did you mean rounds?"),
        ("--rounds", "give name=value"),
        ("batch=many", "batch=many: give a number, such as 4"),
        ("clock=sun", "clock=sun: give wall or cpu"),
        ("rounds=0", "rounds=0: give at least 1"),
    ],
)
def test_other_settings_end_with_a_sentence(scripts: dict[str, ModuleType], word: str, sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        scripts["settings"].Settings([word], OWN)


def test_a_row_tells_medians_quartiles_and_the_ratio(scripts: dict[str, ModuleType]) -> None:
    comparison = scripts["comparison"]
    ours, theirs = [300.0, 100.0, 200.0, 400.0, 500.0], [100.0, 100.0, 100.0, 160.0, 200.0]
    row = comparison.Comparison.of("load", "images/s", "peer", ours, theirs, 2.0, {})
    # Ratios of the rounds: 3, 1, 2, 2.5, 2.5.
    assert row.cells() == (
        "load", "300 (200-400)", "peer", "100 (100-160)", "images/s", "5", "3.00 (2.00-2.50)", "2",
    )  # fmt: skip
    lines = comparison.table([row]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 3


def test_sides_are_measured_in_turn_in_changing_order(scripts: dict[str, ModuleType]) -> None:
    told: list[str] = []

    def work(name: str) -> Any:
        return lambda: (told.append(name), len(told))[1]

    values = scripts["measure"].in_turn({"a": work("a"), "b": work("b")}, 2)
    assert told == ["b", "a", "a", "b", "b", "a"]
    assert values == {"a": [3, 6], "b": [4, 5]}


def test_a_contestant_works_when_it_is_asked_to(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "peer.py").write_text(PEER)
    path = str(tmp_path / "peer.py")
    with scripts["contestant"].Contestant(path, {"version": "3.2"}, threads=1, cores=1) as contestant:
        assert contestant.versions == {"peer": "3.2", "threads": "1"}
        times = contestant.work(5)
    assert times.wall_s > 0
    assert times.cpu_s >= 0


def test_a_contestant_that_ends_is_told_of(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "peer.py").write_text("raise SystemExit(3)")
    with pytest.raises(scripts["contestant"].ContestantFailedError, match=r"peer\.py ended with status 3"):
        scripts["contestant"].Contestant(str(tmp_path / "peer.py"), {}, threads=1, cores=1)


def test_an_unknown_peer_ends_with_a_sentence(scripts: dict[str, ModuleType]) -> None:
    with pytest.raises(SystemExit, match="peers=tensorflow: give any of mxnet, dali, or nothing for none"):
        scripts["environments"].Environments(("tensorflow",))

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path

import cv2
import pytest

from tests.sweeps.small_sweep import small_plan
from vision.settings.hyperparameters import Tunable
from vision.sweeps.report import (
    best_command,
    history_figure,
    importance_figure,
    learning_figure,
    parallel_figure,
    write_result,
    write_sweep_report,
)
from vision.sweeps.space import SearchSpace
from vision.sweeps.study import TrialRecord
from vision.sweeps.sweep_folder import SweepFolder

SPACE = SearchSpace(
    {
        "optimizer": Tunable("categorical", choices=("sgd", "adam")),
        "learning_rate": Tunable("continuous", 0.01, 1.0, scale="log"),
        "momentum": Tunable("continuous", 0.0, 0.9),
    },
    {"sgd": frozenset({"momentum"}), "adam": frozenset()},
    "",
)
PLAN = small_plan(SPACE, ("algorithm=image_classification", "channels.train=a b.rec"))
SGD = {"optimizer": "sgd", "learning_rate": "0.1", "momentum": "0.45"}
RECORDS = [
    TrialRecord(0, "complete", SGD, {1: 0.5, 2: 0.9}, 0.9, 20.0),
    TrialRecord(1, "pruned", {"optimizer": "adam", "learning_rate": "1"}, {1: 0.1}, 0.1, 5.0),
    TrialRecord(2, "failed", {"optimizer": "adam", "learning_rate": "0.02"}, {1: math.nan}, None, 1.0),
]


def test_the_best_command_can_be_typed() -> None:
    words = shlex.split(best_command(PLAN, RECORDS[0]))
    assert words == [
        *("vision", "train", "algorithm=image_classification", "channels.train=a b.rec"),
        *("hp.optimizer=sgd", "hp.learning_rate=0.1", "hp.momentum=0.45"),
    ]


def test_result_json_accounts_for_every_trial(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path)
    write_result(folder, PLAN, RECORDS)
    found = json.loads(folder.result.read_text())
    assert found["objective"] == "validation:accuracy"
    assert found["counts"] == {"complete": 1, "pruned": 1, "failed": 1, "running": 0}
    assert found["best"]["hyperparameters"] == SGD
    assert found["best"]["folder"] == "trials/0000"
    assert [trial["values"] for trial in found["trials"]] == [{"1": 0.5, "2": 0.9}, {"1": 0.1}, {"1": None}]


def test_the_page_holds_its_pictures_and_says_what_failed(tmp_path: Path) -> None:
    path = write_sweep_report(SweepFolder(tmp_path), PLAN, RECORDS, {"learning_rate": 0.75, "optimizer": 0.25})
    text = path.read_text()
    for part in ("Failed trials: 2", "not of momentum", "Parallel coordinates", "channels.train=a b.rec", "90.00 %"):
        assert part in text, part
    names = {"history", "learning_curves", "parallel_coordinates", "importance"}
    assert {picture.stem for picture in path.parent.glob("*.png")} == names
    assert all(cv2.imread(str(picture)) is not None for picture in path.parent.glob("*.png"))
    assert text.count("<script") == 1


def test_a_sweep_without_any_result_has_a_page_too(tmp_path: Path) -> None:
    path = write_sweep_report(SweepFolder(tmp_path), PLAN, [RECORDS[2]], {})
    assert "Best settings" not in path.read_text()
    write_result(SweepFolder(tmp_path), PLAN, [RECORDS[2]])
    assert json.loads(SweepFolder(tmp_path).result.read_text())["best"] is None


def test_figures_need_something_to_show() -> None:
    assert history_figure([RECORDS[2]], "accuracy") is None
    assert learning_figure([], "accuracy") is None
    assert importance_figure({}) is None
    assert parallel_figure(RECORDS[:1], SPACE.dimensions, "accuracy") is None


@pytest.mark.parametrize("value", [0.5, 0.0])
def test_equal_values_are_no_obstacle(value: float) -> None:
    records = [TrialRecord(n, "complete", SGD, {1: value}, value, 1.0) for n in range(2)]
    assert parallel_figure(records, SPACE.dimensions, "accuracy") is not None
    assert history_figure(records, "accuracy") is not None

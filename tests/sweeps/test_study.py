from __future__ import annotations

import math
from pathlib import Path

import pytest

from vision.settings.errors import UserError
from vision.settings.hyperparameters import Tunable
from vision.sweeps.settings import SweepSettings
from vision.sweeps.space import SearchSpace
from vision.sweeps.study import Study, TrialRecord, best_record, summary_counts

SPACE = SearchSpace({"learning_rate": Tunable("continuous", 1e-6, 0.5, scale="log")}, {}, "sgd")


def open_study(path: Path, **settings: object) -> Study:
    return Study(path / "study.db", SPACE, SweepSettings.parse(settings), epochs=9)


def run_trials(study: Study, count: int) -> list[str]:
    """What was drawn, where the value of a trial is its rate."""
    drawn = []
    for _ in range(count):
        trial = study.ask()
        drawn.append(trial.settings["learning_rate"])
        trial.complete(float(drawn[-1]))
    return drawn


def test_a_study_that_is_opened_again_draws_what_it_would_have_drawn(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = run_trials(open_study(tmp_path / "whole", startup_trials=3), 8)
    parts = [
        rate for count in (2, 3, 3) for rate in run_trials(open_study(tmp_path / "parts", startup_trials=3), count)
    ]
    assert parts == whole
    assert len(set(whole)) == 8


def test_another_seed_draws_otherwise(tmp_path: Path) -> None:
    drawn = []
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        drawn.append(run_trials(open_study(tmp_path / str(seed), seed=seed), 2))
    assert drawn[0] != drawn[1]


def test_an_unfinished_trial_keeps_its_values_and_epochs(tmp_path: Path) -> None:
    trial = open_study(tmp_path).ask()
    trial.report(1, 0.25)
    trial.report(1, 0.75)
    (again,) = open_study(tmp_path).unfinished()
    assert (again.number, again.settings, again.epoch) == (0, trial.settings, 1)
    again.report(2, 0.5)
    study = open_study(tmp_path)
    assert study.records()[0].values == {1: 0.25, 2: 0.5}
    study.unfinished()[0].fail()
    assert study.unfinished() == []
    assert [record.state for record in study.records()] == ["failed"]


@pytest.mark.parametrize(("pruner", "expected"), [("median", [False, True]), ("none", [False, False])])
def test_the_pruner_judges_after_the_startup(tmp_path: Path, pruner: str, expected: list[bool]) -> None:
    study = open_study(tmp_path, pruner=pruner, startup_trials=2, startup_epochs=2)
    for value in (0.8, 0.9):
        trial = study.ask()
        for epoch in (1, 2):
            trial.report(epoch, value)
        trial.complete(value)
    trial = study.ask()
    found = []
    for epoch in (1, 2):
        trial.report(epoch, 0.1)
        found.append(trial.is_hopeless())
    assert found == expected


def test_hyperband_ends_most_trials_before_their_last_epoch(tmp_path: Path) -> None:
    study = open_study(tmp_path, pruner="hyperband", startup_epochs=1)
    ended = []
    for number in range(12):
        trial, epoch = study.ask(), 0
        while epoch < 9 and not trial.is_hopeless():
            epoch += 1
            trial.report(epoch, 1 / (1 + number))
        ended.append(epoch)
        trial.complete(0.5) if epoch == 9 else trial.prune()
    assert ended[0] == 9
    assert min(ended) < 9


def test_a_file_that_is_no_study(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"no database at all, but long enough to look at" * 100)
    with pytest.raises(UserError, match=r"study\.db cannot be used as a study \(.*give another sweep\.output"):
        open_study(tmp_path)


def record(number: int, state: str, value: float | None) -> TrialRecord:
    return TrialRecord(number, state, {}, {}, value, None)  # type: ignore[arg-type]


def test_the_best_is_the_first_of_the_highest_complete_ones() -> None:
    records = [record(0, "complete", 0.5), record(1, "complete", 0.7), record(2, "complete", 0.7)]
    pruned = record(3, "pruned", 0.9)
    assert best_record([*records, pruned]) == records[1]
    assert best_record([pruned]) is None
    assert summary_counts([*records, pruned]) == {"complete": 3, "pruned": 1, "failed": 0, "running": 0}


def test_a_value_that_is_not_a_number_is_kept_as_such(tmp_path: Path) -> None:
    trial = open_study(tmp_path).ask()
    trial.report(1, math.nan)
    assert math.isnan(open_study(tmp_path).records()[0].values[1])


def test_importance_needs_trials_that_differ(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    assert study.importances() == {}
    run_trials(study, 6)
    assert study.importances() == {"learning_rate": pytest.approx(1.0)}

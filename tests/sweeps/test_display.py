from __future__ import annotations

import io

import pytest
from rich.console import Console

from vision.sweeps.display import MOST_ROWS, LiveSweepDisplay, SweepDisplay, sweep_display, trial_table
from vision.sweeps.study import TrialRecord


def shown(records: list[TrialRecord]) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(trial_table(records, "accuracy", 60))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_has_the_latest_trials_and_the_best() -> None:
    drawn = {"learning_rate": "0.1", "optimizer": "[b]sgd[/b]"}
    records = [TrialRecord(n, "complete", drawn, {1: 0.9 - n / 100}, 0.9 - n / 100, 1.0) for n in range(50)]
    records.append(TrialRecord(50, "running", {}, {1: 0.25, 2: 0.5}, None, None))
    text = shown(records)
    lines = [line for line in text.splitlines() if "\u2502" in line]
    assert len(lines) == MOST_ROWS + 1
    assert "0 *" in lines[0]
    assert "0.9000" in lines[0]
    assert "[b]sgd[/b]" in lines[0]
    assert "0.5000" in lines[-1]
    assert "51 of 60 trials: 50 done, 1 running" in text


def test_no_trial_yet() -> None:
    assert "0 of 60 trials" in shown([])


def test_lines_say_what_happens(capsys: pytest.CaptureFixture[str]) -> None:
    display = sweep_display("mAP", 3)
    assert type(display) is SweepDisplay
    with display.open():
        display.started(0, {"learning_rate": "0.1"}, resumed=False)
        display.reported(0, 1, 0.25)
        display.completed(0, 0.25)
        display.completed(1, 0.125)
        display.pruned(2, 1, 0.0625)
        display.failed(3, -9, "last words")
        display.started(4, {}, resumed=True)
    assert capsys.readouterr().out.splitlines() == [
        "trial 0 starts: hp.learning_rate=0.1",
        "trial 0: epoch 1, validation mAP 0.2500",
        "trial 0 is done: validation mAP 0.2500, the best so far",
        "trial 1 is done: validation mAP 0.1250",
        "trial 2 was pruned after epoch 1: validation mAP 0.0625",
        "failed: trial 3, which ended by SIGKILL: last words",
        "trial 4 goes on: ",
    ]


def test_the_live_table_leaves_lines_out_but_failures(capsys: pytest.CaptureFixture[str]) -> None:
    display = LiveSweepDisplay("accuracy", 3)
    with display.open():
        display.reported(7, 1, 0.25)
        display.failed(3, 1, "last words")
        display.show([TrialRecord(8, "running", {}, {}, None, None)])
    text = capsys.readouterr().out
    assert "trial 7" not in text
    assert "failed: trial 3, which ended with status 1: last words" in text
    assert "1 of 3 trials: 1 running" in text

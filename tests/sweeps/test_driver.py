from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sweeps.small_sweep import ROOT, small_driver, small_plan
from vision.settings.errors import UserError
from vision.settings.hyperparameters import Tunable
from vision.sweeps.driver import SweepEnded, gpu_groups
from vision.sweeps.space import SearchSpace
from vision.sweeps.sweep_folder import SweepFolder
from vision.sweeps.trial_process import wait_until_free

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that must happen; how fast does not matter."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def starts(path: Path, number: int) -> list[str]:
    """Epochs done and GPUs of each time that a trial was started."""
    return (path / "trials" / f"{number:04d}" / "starts.txt").read_text().splitlines()


def space(*momenta: str) -> SearchSpace:
    return SearchSpace({"momentum": Tunable("categorical", choices=momenta)}, {}, "sgd")


def test_runs_all_trials_and_keeps_their_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driver = small_driver(tmp_path, trials=3, parallel=3, pruner="none")
    driver.run()
    records = driver.study.records()
    assert [record.state for record in records] == ["complete"] * 3
    for record in records:
        rate = float(record.settings["learning_rate"])
        assert record.value == pytest.approx(rate)
        assert record.values == pytest.approx({epoch: rate * epoch / 4 for epoch in (1, 2, 3, 4)})
        folder = tmp_path / "trials" / f"{record.number:04d}"
        assert not (folder / "checkpoints").exists()
    text = capsys.readouterr().out
    assert text.count(" starts: hp.learning_rate=") == 3
    assert "the best so far" in text


def test_a_hopeless_trial_is_ended_early(tmp_path: Path) -> None:
    # The first draws of seed 0 have the better rates, so that a later, worse one meets their median.
    driver = small_driver(tmp_path, trials=6, startup_trials=2, sampler="random")
    driver.run()
    records = driver.study.records()
    assert {record.state for record in records} == {"complete", "pruned"}
    for record in records:
        better = [r for r in records[: record.number] if r.state == "complete" and r.value > record.values[1] * 4]
        if record.state == "pruned":
            assert len(record.values) < 4
            assert len(better) >= 1
            assert "ended by a signal" in (tmp_path / f"trials/{record.number:04d}/output.log").read_text()


def test_a_trial_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dimensions = {"learning_rate": Tunable("categorical", choices=("0.9", "0.1"))}
    first = SearchSpace(dimensions, {}, "sgd")
    driver = small_driver(tmp_path, small_plan(first, ("hp.momentum=0.2",)), trials=1, grace_s=0.2)
    # Judged hopeless at its first epoch, whatever its value.
    monkeypatch.setattr("vision.sweeps.study.OpenTrial.is_hopeless", lambda trial: trial.epoch >= 1)
    driver.run()
    (record,) = driver.study.records()
    assert record.state == "pruned"
    assert "ended by a signal" not in (tmp_path / "trials/0000/output.log").read_text()


def test_failures_in_a_row_end_the_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driver = small_driver(tmp_path, small_plan(space("0.1"), ("hp.learning_rate=0.5",)), trials=9, max_failures=2)
    with pytest.raises(UserError, match=r"2 trials in a row failed; .*trial 1, .*status 1: .*the GPU is on fire"):
        driver.run()
    assert [record.state for record in driver.study.records()] == ["failed", "failed"]
    assert "failed: trial 0" in capsys.readouterr().out


def test_a_trial_without_a_finite_value_failed(tmp_path: Path) -> None:
    driver = small_driver(tmp_path, small_plan(space("0.3"), ("hp.learning_rate=0.5",)), trials=1, pruner="none")
    driver.run()
    assert [record.state for record in driver.study.records()] == ["failed"]


def test_each_trial_has_gpus_of_its_own(tmp_path: Path) -> None:
    plan = small_plan(devices=2)
    driver = small_driver(tmp_path, plan, gpus=("3", "5", "6", "7", "8"), trials=2, pruner="none")
    assert driver.parallel == 2
    driver.run()
    assert {starts(tmp_path, number)[0] for number in (0, 1)} == {"0 3,5", "0 6,7"}


def test_too_few_gpus() -> None:
    assert gpu_groups((), 4) == []
    with pytest.raises(UserError, match=r"run.devices=2 was asked for, but this machine has 1 GPU"):
        gpu_groups(("0",), 2)


def test_a_signal_ends_the_trials_and_the_sweep_goes_on_later(tmp_path: Path) -> None:
    # So slow that neither trial is over when the other one has begun, however busy the machine is.
    slow = small_plan(words=("run.stall_timeout_s=3",))
    driver = small_driver(tmp_path, slow, trials=2, parallel=2, pruner="none")
    csv = [tmp_path / f"trials/{number:04d}/metrics.csv" for number in (0, 1)]

    def interrupt() -> None:
        until(lambda: all(path.exists() for path in csv))
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(SweepEnded, match="SIGTERM"):
        driver.run()
    thread.join()
    assert [record.state for record in driver.study.records()] == ["running", "running"]
    drawn = [record.settings for record in driver.study.records()]
    again = small_driver(tmp_path, small_plan(), trials=2, pruner="none")
    again.run()
    records = again.study.records()
    assert [record.state for record in records] == ["complete", "complete"]
    assert [record.settings for record in records] == drawn
    for number in (0, 1):
        first, second = starts(tmp_path, number)
        assert first == "0 -"
        assert second != "0 -", "it went on, instead of anew"


def test_a_killed_sweep_leaves_nothing_behind_and_goes_on(tmp_path: Path) -> None:
    """SIGKILL to the sweep: its trials end by themselves, and no ended trial runs again."""
    command = [sys.executable, "-m", "tests.sweeps.small_sweep", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        # In the middle: some trials are over, others under way.
        next(line for line in process.stdout if line.startswith("trial 3: epoch 1"))
        process.kill()
    folder = SweepFolder(tmp_path)
    for number in range(6):
        wait_until_free(folder.trial(number), 60)
    before = small_driver(tmp_path, trials=6).study.records()
    states = [record.state for record in before]
    assert "complete" in states
    assert "running" in states
    driver = small_driver(tmp_path, trials=6, parallel=2, pruner="none")
    driver.run()
    records = driver.study.records()
    assert [record.state for record in records] == ["complete"] * 6
    for earlier, record in zip(before, records, strict=False):
        assert earlier.settings in ({}, record.settings)
        assert len(starts(tmp_path, record.number)) == (1 if earlier.state == "complete" else 2), record


def test_what_ended_unseen_is_not_run_again(tmp_path: Path) -> None:
    driver = small_driver(tmp_path, trials=1, pruner="none")
    open_trial = driver.study.ask()
    folder = tmp_path / "trials/0000"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text("epoch,validation_accuracy\n1,0.5\n2,0.75\n3,0.625\n4,\n")
    (folder / ".status").write_text("0")
    again = small_driver(tmp_path, trials=1, pruner="none")
    again.run()
    (record,) = again.study.records()
    assert (record.state, record.value, record.settings) == ("complete", 0.75, open_trial.settings)
    assert not (folder / "starts.txt").exists()

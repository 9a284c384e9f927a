"""A real sweep, killed in its middle and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.api.conftest import write_records
from vision.sweeps.sweep_folder import SweepFolder
from vision.sweeps.trial_process import wait_until_free

VISION = [sys.executable, "-m", "vision"]


def test_killed_and_resumed(tmp_path: Path) -> None:
    for name, count in (("train", 24), ("validation", 9)):
        write_records(tmp_path / f"{name}.rec", count, seed=0)
    words = [
        *("sweep", "algorithm=image_classification", "channels.train=train.rec", "channels.validation=validation.rec"),
        *("hp.num_classes=3", "hp.num_training_samples=24", "hp.num_layers=20", "hp.image_shape=3,16,16"),
        *("hp.mini_batch_size=8", "hp.epochs=2", "run.device=cpu", "run.workers=0"),
        *("hp.learning_rate=tag(log,interval(0.001,0.1))", "sweep.trials=2", "sweep.parallel=2", "sweep.output=s"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*VISION, *words], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        next(line for line in first.stdout if "epoch 1, validation accuracy" in line)
        first.kill()
    folder = SweepFolder(tmp_path / "s")
    for number in (0, 1):
        # Nothing is left behind: the trials notice by themselves that the sweep is gone.
        wait_until_free(folder.trial(number), 120)
    resume = [*VISION, "sweep", "sweep.output=s", "sweep.resume=true"]
    done = subprocess.run(resume, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "best: trial" in done.stdout
    result = json.loads(folder.result.read_text())
    assert result["counts"] == {"complete": 2, "pruned": 0, "failed": 0, "running": 0}
    assert [list(trial["values"]) for trial in result["trials"]] == [["1", "2"], ["1", "2"]]
    assert (folder.report / "report.html").exists()
    for number in (0, 1):
        settings = json.loads((folder.trial(number) / "settings.json").read_text())
        drawn = result["trials"][number]["hyperparameters"]["learning_rate"]
        assert settings["hyperparameters"]["learning_rate"] == drawn
        assert (folder.trial(number) / "model.tar.gz").exists()

"""A sweep of trials that need no torch. Also a program, to be killed: ``python -m tests.sweeps.small_sweep FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.sweeps import fake_trial
from vision.settings.hyperparameters import Tunable
from vision.sweeps.display import SweepDisplay
from vision.sweeps.driver import Driver
from vision.sweeps.settings import SweepSettings
from vision.sweeps.space import SearchSpace
from vision.sweeps.study import Study
from vision.sweeps.sweep_folder import SweepFolder, SweepPlan

ROOT = Path(__file__).parents[2]
SPACE = SearchSpace({"learning_rate": Tunable("continuous", 0.2, 0.9)}, {}, "sgd")


def small_plan(space: SearchSpace = SPACE, words: tuple[str, ...] = (), **changed: Any) -> SweepPlan:
    given: dict[str, Any] = {
        "algorithm": "image_classification",
        "words": words,
        "working_folder": str(ROOT),
        "metric": "accuracy",
        "sagemaker_metric": "validation:accuracy",
        "epochs": fake_trial.EPOCHS,
        "device": "cpu",
        "devices": None,
        "space": space,
        "settings": {},
    }
    return SweepPlan(**{**given, **changed})


def small_driver(
    path: Path,
    plan: SweepPlan | None = None,
    gpus: tuple[str, ...] = (),
    display: SweepDisplay | None = None,
    **settings: Any,
) -> Driver:
    """A driver in a new folder, or in that of an earlier sweep."""
    folder, plan = SweepFolder(path), plan or small_plan()
    if not folder.plan.exists():
        folder.begin(plan)
    parsed = SweepSettings.parse(settings)
    study = Study(folder.study, plan.space, parsed, plan.epochs)
    display = display or SweepDisplay(plan.metric, parsed.trials)
    return Driver(folder, plan, parsed, study, display, (sys.executable, "-m", fake_trial.__name__), gpus)


if __name__ == "__main__":
    small_driver(Path(sys.argv[1]), trials=6, parallel=2, pruner="none").run()

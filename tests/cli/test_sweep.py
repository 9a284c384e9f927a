from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from vision import algorithms
from vision.cli import sweep
from vision.cli.main import main
from vision.cli.sweep_words import read_space_file, read_sweep_words
from vision.settings.config_folder import config_folder
from vision.settings.errors import UserError
from vision.settings.hyperparameters import Tunable
from vision.sweeps.settings import SweepSettings
from vision.sweeps.space import documented_space
from vision.sweeps.sweep_folder import SweepFolder, SweepPlan

SAMPLES = ["hp.num_classes=2", "hp.num_training_samples=10"]


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[SweepPlan, SweepSettings]]:
    """What would have been run, in an empty working folder with a data file."""
    found: list[tuple[SweepPlan, SweepSettings]] = []

    def run_plan(folder: SweepFolder, plan: SweepPlan, settings: SweepSettings) -> int:
        found.append((plan, settings))
        return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "run_plan", run_plan)
    (tmp_path / "a b.rec").touch()
    return found


ARGV = ["sweep", "algorithm=image-classification", *SAMPLES, "channels.train=a b.rec", "channels.validation=a b.rec"]


def test_what_varies_and_what_all_trials_share(plans: list[Any], tmp_path: Path) -> None:
    words = ["hp.learning_rate=tag(log,interval(1e-3,0.5))", "hp.optimizer=sgd, adam", "hp.lr_scheduler_step=2,4"]
    assert main([*ARGV, *words, "hp.epochs=7", "run.device=cpu", "sweep.trials=12", "sweep.output=s"]) == 0
    ((plan, settings),) = plans
    assert plan.words == (*ARGV[1:], "hp.lr_scheduler_step=2,4", "hp.epochs=7", "run.device=cpu")
    assert plan.space.dimensions == {
        "optimizer": Tunable("categorical", choices=("sgd", "adam")),
        "learning_rate": Tunable("continuous", 1e-3, 0.5, scale="log"),
    }
    assert (plan.metric, plan.sagemaker_metric, plan.epochs) == ("accuracy", "validation:accuracy", 7)
    assert (plan.device, plan.devices, plan.working_folder) == ("cpu", None, str(tmp_path))
    assert settings.trials == 12
    assert SweepFolder(Path("s")).read_plan() == plan


def test_the_objective_is_the_algorithms(plans: list[Any]) -> None:
    argv = [word.replace("image-classification", "object_detection") for word in ARGV]
    assert main([*argv, "sweep.output=s"]) == 0
    ((plan, _),) = plans
    assert (plan.metric, plan.sagemaker_metric) == ("mAP", "validation:mAP")


def test_without_ranges_all_tunables_that_have_no_value_vary(plans: list[Any]) -> None:
    assert main([*ARGV, "hp.optimizer=adam", "hp.learning_rate=0.1", "sweep.output=s"]) == 0
    ((plan, _),) = plans
    assert set(plan.space.dimensions) == {"mini_batch_size", "beta_1", "beta_2", "eps"}


def test_ranges_of_files_and_of_the_command_line(plans: list[Any], tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("hydra: {sweeper: {params: {++hp.gamma: 'interval(0,1)', hp.eps: '0.1,0.2'}}}\n")
    words = ["sweep=image_classification_rmsprop", "sweep.space=own.yaml", "hp.mini_batch_size=int(interval(1,2))"]
    assert main([*ARGV, *words, "sweep.output=s"]) == 0
    ((plan, _),) = plans
    assert plan.space.optimizer == "rmsprop"
    assert plan.space.dimensions == {
        "eps": Tunable("categorical", choices=("0.1", "0.2")),
        "gamma": Tunable("continuous", 0, 1),
        "learning_rate": Tunable("continuous", 1e-6, 0.5, scale="log"),
        "mini_batch_size": Tunable("integer", 1, 2),
    }


PROBLEMS = [
    (["sweep.trails=3"], "did you mean trials?"),
    (["-m"], "Option '-m' is unknown"),
    (["hp.learning_rate=interval(0,3)"], "learning_rate is '3' but must be a number from 0 to 1"),
    (["hp.epochs=0"], "epochs is '0'"),
    (["hp.beta_1=interval(0,1)"], "hp.beta_1 is varied but has no effect with optimizer=sgd"),
    (["run.output=x"], "you may want sweep.output=PATH"),
    (["run.folds=3"], "run.folds is not for sweeps"),
    (["hp.lerning_rate=0.1"], "did you mean learning_rate?"),
    (["hp.num_layer=18,34"], "hp.num_layer"),
    (["sweep=nothing"], "nothing"),
    (["sweep.space=nothing.yaml"], "nothing.yaml cannot be read"),
    (["hp.learning_rate=interval(1)"], "an interval has two ends"),
    (["hp.optimizer=sgd", *(f"hp.{n}=0.1" for n in ("learning_rate", "momentum", "weight_decay")),
      "hp.mini_batch_size=8"], "There is nothing to vary"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), PROBLEMS)
def test_what_is_wrong_is_said_before_anything_runs(
    plans: list[Any], words: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*ARGV, *words, "sweep.output=s"]) == 2
    assert expected in capsys.readouterr().err
    assert not plans
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("text", ["", "[]", "hydra: 3", "hydra: {sweeper: {params: {}}}", "a: [", "{hp.x: 1}"])
def test_files_that_hold_no_ranges(plans: list[Any], tmp_path: Path, text: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    assert main([*ARGV, "sweep.space=own.yaml", "sweep.output=s"]) == 2


def test_a_sweep_resumes_with_what_it_began_with(plans: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    begin = [*ARGV, "hp.momentum=interval(0,0.9)", "sweep.output=s", "sweep.trials=3", "sweep.sampler=random"]
    assert main(begin) == 0
    assert main(begin) == 2
    assert "s already holds a sweep; add sweep.resume=true" in capsys.readouterr().err
    assert main(["sweep", "sweep.output=s", "sweep.resume=true", "sweep.trials=5"]) == 0
    assert main([*begin, "sweep.resume=true", "sweep.trials=5"]) == 0
    assert main(["sweep", "sweep.output=s", "sweep.resume=true"]) == 0
    spaces = [plan.space for plan, _ in plans]
    assert spaces == [spaces[0]] * 4
    assert [settings.trials for _, settings in plans] == [3, 5, 5, 5]
    assert {settings.sampler for _, settings in plans} == {"random"}
    assert main([*begin, "hp.epochs=3", "sweep.resume=true"]) == 2
    assert "a sweep resumes with the settings it began with" in capsys.readouterr().err


def test_nothing_to_resume(plans: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["sweep", "sweep.resume=true"]) == 2
    assert "give sweep.output=PATH" in capsys.readouterr().err
    assert main(["sweep", "sweep.resume=true", "sweep.output=none"]) == 2
    assert "none holds no sweep to resume" in capsys.readouterr().err
    (tmp_path / "sweep.json").write_text(json.dumps({"words": 3}))
    assert main(["sweep", "sweep.resume=true", f"sweep.output={tmp_path}"]) == 2
    assert "is not the plan of a sweep" in capsys.readouterr().err


def test_only_one_sweep_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    """The lock is a process's: threads and sweeps of one process do not keep each other out."""
    at_work = (
        "import sys; from pathlib import Path; from vision.sweeps.sweep_folder import SweepFolder\n"
        "with SweepFolder(Path(sys.argv[1])).locked():\n    print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", at_work, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        named = f"a sweep is at work there .process {process.pid} "
        with pytest.raises(UserError, match=named), SweepFolder(tmp_path).locked():
            pass
        process.kill()
    with SweepFolder(tmp_path).locked():
        pass


# Written by the command that each of them names.
WRITTEN = [path for path in sorted((config_folder() / "sweep").glob("*.yaml")) if "vision sweep" in path.read_text()]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_the_shipped_files_are_the_documented_ranges(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = path.read_text()
    command = next(line for line in text.splitlines() if line.startswith("# vision sweep"))
    assert main(command.split()[2:]) == 0
    assert text == capsys.readouterr().out


@pytest.mark.parametrize("name", algorithms.names())
def test_every_algorithm_ships_its_ranges(name: str) -> None:
    assert name in [path.stem for path in WRITTEN]


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        (name, str(choice))
        for name in algorithms.names()
        for choice in algorithms.facts_of(name).hyperparameters.forms()["optimizer"].choices
    ],
)
def test_the_space_of_one_optimizer_reads_back(
    name: str, optimizer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--space", f"algorithm={name}", f"hp.optimizer={optimizer}"]) == 0
    (tmp_path / "space.yaml").write_text(capsys.readouterr().out)
    assert read_space_file(tmp_path / "space.yaml").keys() == documented_space(name, optimizer).dimensions.keys()


def test_space_wants_an_algorithm(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--space"]) == 2
    assert main(["sweep", "--space", "algorithm=object_detection", "hp.optimizer=nag"]) == 2
    assert "optimizer is 'nag'" in capsys.readouterr().err


def test_help_states_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {row.name} " in text for row in SweepSettings.rows())


def test_the_slurm_launcher_composes() -> None:
    with initialize_config_dir(version_base="1.3", config_dir=str(config_folder().resolve())):
        words = ["hydra/launcher=slurm", "sweep=image_classification_sgd", "hydra.launcher.partition=gpu"]
        found = compose("train", words, return_hydra_config=True).hydra
    assert found.launcher._target_.endswith(".SlurmLauncher")
    assert (found.launcher.gpus_per_node, found.launcher.partition) == (1, "gpu")
    assert found.sweeper.params["++hp.mini_batch_size"] == "int(interval(8,512))"


def test_the_words_of_a_file_stay_with_the_trials() -> None:
    words = read_sweep_words(
        ["sweep=object_detection_sgd", "hp.image_shape=300", "hp.lr_scheduler_step=choice('1,2','3')"]
    )
    assert words.fixed == ("sweep=object_detection_sgd", "hp.image_shape=300")
    assert words.varied == {"lr_scheduler_step": "choice('1,2','3')"}
    assert sys.executable in sweep.TRIAL

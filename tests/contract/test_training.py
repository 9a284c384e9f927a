"""The training container's contract, row by row (sagemaker-contract, 7.1-7.8), by the real process."""

from __future__ import annotations

import csv
import re
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.training_jobs import HYPERPARAMETERS, IMAGES, machine, manifest, records, wait_for
from vision import algorithms
from vision.artifacts.model_folder import load_model
from vision.sagemaker.simulator import Simulator

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Interrupted:
    """A job that was stopped, and what it left; then the same job, restarted to its end."""

    platform: Simulator
    stopped: tuple[int, str]
    grace_s: float
    left: frozenset[str]
    rows_before: int
    finished: tuple[int, str]
    data_before: frozenset[str]
    data_after: frozenset[str]


def tree(folder: Path) -> frozenset[str]:
    return frozenset(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    folder = tmp_path_factory.mktemp("spot")
    data = records(folder / "data").parent
    before = tree(data)
    platform = machine(folder / "ml")
    channels = {name: {"path": data, "mode": "FastFile"} for name in ("train", "validation")}
    given = {**HYPERPARAMETERS, "epochs": 5000, "optimizer": '"sgd"', "image_shape": '"3,8,8"', "top_k": 2}
    platform.write(given, channels)
    platform.start()
    first = wait_for(platform, "Epoch[1] Validation-accuracy")
    started = time.monotonic()
    status, rest = platform.stop()
    grace_s = time.monotonic() - started
    left = tree(platform.folder)
    rows = len(list(csv.DictReader((platform.prefix.output_data / "metrics.csv").open())))
    # A restarted machine has the checkpoints again, and nothing else that the job wrote.
    shutil.rmtree(platform.prefix.model)
    shutil.rmtree(platform.folder / "output")
    names = {name: str(value) for name, value in given.items()}
    platform.write_config("hyperparameters.json", {**names, "epochs": str(rows + 1)})
    platform.start()
    finished = platform.finish(500)
    return Interrupted(platform, (status, first + rest), grace_s, left, rows, finished, before, tree(data))


def test_sigterm_saves_the_model_within_its_grace(interrupted: Interrupted) -> None:
    assert interrupted.stopped[0] == 143
    assert interrupted.grace_s < 120
    assert {"model/model.json", "checkpoints/last.ckpt", "output/data/metrics.csv"} <= interrupted.left
    assert "output/failure" not in interrupted.left


def test_a_restarted_job_goes_on_from_its_checkpoint(interrupted: Interrupted) -> None:
    status, output = interrupted.finished
    assert status == 0, output
    epochs = {int(number) for number in re.findall(r"Epoch\[(\d+)\] Validation-accuracy", output)}
    assert epochs <= {interrupted.rows_before - 1, interrupted.rows_before}
    rows = list(csv.DictReader((interrupted.platform.prefix.output_data / "metrics.csv").open()))
    assert [int(float(row["epoch"])) for row in rows] == list(range(1, interrupted.rows_before + 2))


def test_a_finished_job_leaves_everything_in_its_place(interrupted: Interrupted) -> None:
    prefix = interrupted.platform.prefix
    model = load_model(prefix.model)
    assert (model.algorithm, model.hyperparameters["optimizer"]) == ("image_classification", "sgd")
    best = max(csv.DictReader((prefix.output_data / "metrics.csv").open()), key=lambda row: row["validation_accuracy"])
    assert model.metrics["validation_accuracy"] == float(best["validation_accuracy"])
    page = (prefix.output_data / "report" / "report.html").read_text()
    assert "my-job" in page
    assert not prefix.failure.exists()
    # The platform packs the model's folder itself.
    assert not list(prefix.path.rglob("*.tar.gz"))
    assert not [name for name in tree(prefix.path) if name.endswith(".part")]


def test_every_metric_is_found_in_the_log(interrupted: Interrupted) -> None:
    output = interrupted.stopped[1]
    for definition in algorithms.facts_of("image_classification").metric_definitions:
        values = [float(value) for value in re.findall(definition.regex, output)]
        assert values, definition.name
        assert min(values) >= 0
    assert re.search(r"^\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO \d+\] Epoch\[0\] Time cost=", output, re.MULTILINE)


def test_a_read_only_channel_stays_as_it_is(interrupted: Interrupted) -> None:
    assert interrupted.data_after == interrupted.data_before


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulator, int, str]:
    """A job with several labels an image and weighted loss, fed from a manifest whose number of lines is misstated."""
    folder = tmp_path_factory.mktemp("pipe")
    platform = machine(folder / "ml")
    channel = {
        "path": manifest(folder / "data"),
        "mode": "Pipe",
        "content_type": "application/x-recordio; label-format=class-id",
        "attributes": ("source-ref", "labels"),
        "shuffle_seed": 3,
    }
    given = {**HYPERPARAMETERS, "num_training_samples": 16, "multi_label": 1, "use_weighted_loss": 1}
    platform.write(given, {"train": channel, "validation": channel})
    platform.start()
    return platform, *platform.finish(500)


def test_a_job_is_fed_by_pipes(piped: tuple[Simulator, int, str]) -> None:
    platform, status, output = piped
    assert status == 0, output
    assert load_model(platform.prefix.model).hyperparameters["multi_label"] == "1"
    assert output.count("Validation-accuracy=") == 2
    # 16 samples are claimed, but counting the labels for the weighted loss has found 24: three batches of 8.
    assert "Epoch[1] Batch [3]" in output
    assert "Batch [4]" not in output
    assert f"num_training_samples is 16, but channel 'train' holds {IMAGES} images" in output
    # One pass for the weights, then training; two validations and one of the model that was kept.
    train, validation = platform.feeders
    assert (train.base.name, train.opened >= 2) == ("train", True)
    assert (validation.base.name, validation.opened) == ("validation", 3)


@pytest.fixture
def platform(tmp_path: Path) -> Simulator:
    made = machine(tmp_path / "ml")
    data = records(tmp_path / "data").parent
    made.write(HYPERPARAMETERS, {name: {"path": data} for name in ("train", "validation")})
    return made


# Hyperparameters changed, and what the first 1024 characters of the failure must say.
MISTAKES: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"augmentation_type": "X", "augmentation type": "crop"},
        ["augmentation_type is 'X' but must be crop, crop_color or crop_color_transform", "'augmentation type' is unk"],
    ),
    ({"epochs": "many", "run.precison": "float16"}, ["epochs is 'many'", "did you mean precision?"]),
]


@pytest.mark.parametrize(("changes", "sentences"), MISTAKES)
def test_a_users_mistake_is_said_before_anything_is_loaded(
    platform: Simulator, changes: dict[str, Any], sentences: list[str]
) -> None:
    texts = {name: str(value) for name, value in {**HYPERPARAMETERS, **changes}.items()}
    platform.write_config("hyperparameters.json", texts)
    platform.start()
    status, output = platform.finish(100)
    assert status == 2, output
    failure = platform.prefix.failure.read_text()
    assert failure.startswith("ClientError: ")
    assert all(sentence in failure[:1024] for sentence in sentences)
    assert "Traceback" not in output


def test_missing_config_files_say_what_is_missing(tmp_path: Path) -> None:
    platform = machine(tmp_path)
    platform.start()
    status, _ = platform.finish(100)
    assert status == 2
    failure = platform.prefix.failure.read_text()
    for part in ("num_classes is left out and cannot be counted", "Channel train is required but missing"):
        assert part in failure[:1024]


def test_a_stop_before_training_is_no_success(platform: Simulator) -> None:
    platform.start()
    wait_for(platform, "Run settings")
    assert platform.process is not None
    platform.process.send_signal(signal.SIGTERM)
    assert platform.finish(100)[0] == 143
    assert not platform.prefix.failure.exists()

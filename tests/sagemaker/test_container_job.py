from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vision.sagemaker.container_job import ContainerJob
from vision.sagemaker.prefix import Prefix
from vision.settings.errors import SettingsError

HYPERPARAMETERS = {"num_classes": "2", "num_training_samples": "10", "image_shape": "3,32,32"}
ENVIRON = {"VISION_ALGORITHM": "image-classification"}


@pytest.fixture
def prefix(tmp_path: Path) -> Prefix:
    made = Prefix(tmp_path)
    made.config.mkdir(parents=True)
    for name in ("train", "validation"):
        (made.data / name).mkdir(parents=True)
    return made


def give(prefix: Prefix, **files: Any) -> None:
    for name, value in files.items():
        (prefix.config / f"{name}.json").write_text(json.dumps(value))


def test_a_job_as_local_mode_gives_it(prefix: Prefix) -> None:
    give(
        prefix,
        hyperparameters={**HYPERPARAMETERS, "optimizer": '"adam"', "run.seed": "5"},
        inputdataconfig={name: {"TrainingInputMode": "File"} for name in ("train", "validation")},
        resourceconfig={"current_host": "algo-1-abcde", "hosts": ["algo-1-abcde"], "network_interface_name": "eth0"},
    )
    given = ContainerJob.read(prefix, ENVIRON)
    assert given.job.algorithm == "image_classification"
    assert given.job.hyperparameters.optimizer == "adam"
    assert (given.job.run.seed, given.job.run.resume, given.job.run.progress) == (5, True, "plain")
    assert given.job.channels["train"].path == prefix.data / "train"
    assert given.hosts.names == ("algo-1-abcde",)


def test_a_job_with_hyperparameters_alone(prefix: Prefix) -> None:
    give(prefix, hyperparameters=HYPERPARAMETERS)
    assert set(ContainerJob.read(prefix, ENVIRON).job.channels) == {"train", "validation"}


def test_every_problem_is_said_at_once(prefix: Prefix) -> None:
    give(
        prefix,
        hyperparameters={**HYPERPARAMETERS, "num_classes": "0", "augmentation type": "crop", "run.output": "x"},
        inputdataconfig={"train": {}, "trains": {}},
    )
    with pytest.raises(SettingsError) as caught:
        ContainerJob.read(prefix, ENVIRON)
    text = str(caught.value)
    for part in (
        "num_classes is '0' but must be an integer of at least 1",
        "write it augmentation_type, in small letters with underscores",
        "Channel 'trains' is unknown: did you mean train?",
        "Channel validation is required but missing",
        "Run setting output has no place in a container",
    ):
        assert part in text


ALGORITHMS = [
    ({}, "VISION_ALGORITHM is not set: set it to image_classification or object_detection"),
    ({"VISION_ALGORITHM": "image-clasification"}, "did you mean image_classification?"),
]


@pytest.mark.parametrize(("environ", "sentence"), ALGORITHMS)
def test_the_image_must_say_its_algorithm(prefix: Prefix, environ: dict[str, str], sentence: str) -> None:
    give(prefix, hyperparameters=HYPERPARAMETERS)
    with pytest.raises(SettingsError) as caught:
        ContainerJob.read(prefix, environ)
    assert sentence in str(caught.value)

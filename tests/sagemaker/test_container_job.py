from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from vision.algorithms import facts_of
from vision.sagemaker.container_job import DEFAULTS, ContainerJob, ContainerSettings, plain_text, read_channels
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


# As the API sends them, and as versions of the SDK encode them once more.
TEXTS = [
    ("sgd", "sgd"),
    ('"sgd"', "sgd"),
    ('"3,224,224"', "3,224,224"),
    ("0.1", "0.1"),
    ('""', ""),
    ('"', '"'),
    ('"a"b"', '"a"b"'),
    (18, 18),
    ("[1, 2]", "[1, 2]"),
]


@pytest.mark.parametrize(("value", "text"), TEXTS)
def test_json_quotes_around_a_text_are_taken_off(value: object, text: object) -> None:
    assert plain_text(value) == text


def test_hyperparameters_and_run_settings_are_taken_apart() -> None:
    values = {
        "num_classes": '"10"',
        "run.seed": "3",
        "run.precision": '"bfloat16"',
        "sagemaker_program": "x",
        "_tuning_objective_metric": "validation:accuracy",
    }
    environ = {"VISION_RUN_SEED": "1", "VISION_RUN_WORKERS": "2", "VISION_ALGORITHM": "x", "HOME": "/"}
    settings = ContainerSettings.read(values, environ)
    assert settings.hyperparameters == {"num_classes": "10", "_tuning_objective_metric": "validation:accuracy"}
    assert settings.run == {**DEFAULTS, "seed": "3", "workers": "2", "precision": "bfloat16"}
    assert not settings.problems


def test_the_output_folder_cannot_be_chosen() -> None:
    settings = ContainerSettings.read({"run.output": "/somewhere"}, {})
    assert "output" not in settings.run
    assert settings.problems == (
        "Run setting output has no place in a container, whose folders the platform fixes: leave it out.",
    )


DECLARED = facts_of("image_classification").channels
RECORDIO = "application/x-recordio"
# Contract 7.3: the platform's file, and what the SDK's local mode writes.
PLATFORM = {
    "TrainingInputMode": "File",
    "S3DistributionType": "FullyReplicated",
    "RecordWrapperType": "None",
    "ContentType": RECORDIO,
}
LOCAL = {"TrainingInputMode": "File"}
FORMS: list[tuple[dict[str, Any], str | None, str]] = [
    (PLATFORM, RECORDIO, "File"),
    (LOCAL, None, "File"),
    ({}, None, "File"),
    ({**PLATFORM, "TrainingInputMode": "FastFile"}, RECORDIO, "FastFile"),
    ({**LOCAL, "ContentType": f"{RECORDIO}; label-format=class-id"}, f"{RECORDIO}; label-format=class-id", "File"),
]


@pytest.mark.parametrize(("settings", "content_type", "mode"), FORMS)
def test_every_form_of_a_channel(tmp_path: Path, settings: dict[str, Any], content_type: str | None, mode: str) -> None:
    for name in ("train", "validation"):
        (tmp_path / name).mkdir()
    values, problems = read_channels(
        {"train": settings, "validation": settings}, tmp_path, machines=1, declared=DECLARED
    )
    assert values["train"] == {"path": tmp_path / "train", "content_type": content_type, "input_mode": mode}
    assert list(values) == ["train", "validation"]
    assert not problems


def test_pipes_and_a_model_folder_beside_them(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    pipe = {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO"}
    values, problems = read_channels(
        dict.fromkeys(("train", "validation", "model"), pipe), tmp_path, machines=1, declared=DECLARED
    )
    modes = {name: value["input_mode"] for name, value in values.items()}  # type: ignore[index]
    assert modes == {"train": "Pipe", "validation": "Pipe", "model": "File"}
    assert not problems


def test_without_the_file_what_lies_there_are_the_channels(tmp_path: Path) -> None:
    for name in ("train_lst", "validation", "notes", "code"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "train_0")
    values, problems = read_channels({}, tmp_path, machines=1, declared=DECLARED)
    modes = {name: value["input_mode"] for name, value in values.items()}  # type: ignore[index]
    assert modes == {"train": "Pipe", "validation": "File", "train_lst": "File"}
    assert not problems


def test_missing_channels_are_named_with_those_given(tmp_path: Path) -> None:
    _, problems = read_channels({"training": LOCAL}, tmp_path, machines=1, declared=DECLARED)
    assert len(problems) == 2
    assert problems[0].startswith("Channel train is required but missing; given are training: add it to")


def test_sharded_data_is_refused_on_several_machines_only(tmp_path: Path) -> None:
    sharded = {**PLATFORM, "S3DistributionType": "ShardedByS3Key"}
    config = {"train": sharded, "validation": PLATFORM, "code": LOCAL}
    values, problems = read_channels(config, tmp_path, machines=1, declared=DECLARED)
    assert not problems and "code" not in values
    _, problems = read_channels(config, tmp_path, machines=2, declared=DECLARED)
    assert problems == [
        "Channel train has S3DataDistributionType=ShardedByS3Key, which gives each of the 2 machines other data: set "
        "FullyReplicated; every step is shared out among the machines by itself."
    ]

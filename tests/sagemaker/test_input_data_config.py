from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from vision.algorithms import facts_of
from vision.sagemaker.input_data_config import read_channels

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

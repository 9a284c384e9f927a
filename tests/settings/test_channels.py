from __future__ import annotations

from pathlib import Path

import pytest

from vision.settings.channels import Channel, parse_channels
from vision.settings.errors import SettingsError


@pytest.fixture
def rec(tmp_path: Path) -> Path:
    path = tmp_path / "train.rec"
    path.touch()
    return path


def test_path_alone(rec: Path) -> None:
    for value in (rec, str(rec), f"file://{rec}", {"path": str(rec)}):
        assert Channel.parse("train", value) == Channel(path=rec)


def test_all_keys(rec: Path) -> None:
    channel = Channel.parse(
        "validation",
        {
            "path": str(rec),
            "content_type": "Application/X-RecordIO; label-format=class-id",
            "input_mode": "FastFile",
            "attributes": "source-ref, class",
        },
    )
    assert channel == Channel(rec, "application/x-recordio", "FastFile", ("source-ref", "class"), "class-id")


def test_a_pipe_need_not_exist_yet(tmp_path: Path) -> None:
    channel = Channel.parse("train", {"path": tmp_path / "train", "input_mode": "Pipe"})
    assert channel.input_mode == "Pipe"


REJECTED = [
    ("train", "s3://bucket/train", "download it first (with aws s3 cp --recursive) and give the local path"),
    ("train", "https://host/x.rec", "must lie on this machine"),
    ("train", "/no/such/file", "'/no/such/file', which does not exist"),
    ("train", "a" * 5000, "which does not exist"),
    ("train", "nul\0byte", "which holds a NUL character"),
    ("train", 3, "Channel train is 3 but must be a path"),
    ("train", {"content_type": "image/png"}, "Channel train is None but must be a path"),
    ("train", {"path": "/", "contenttype": "x"}, "unknown key 'contenttype': did you mean content_type?"),
    (
        "train",
        {"path": "/", "input_mode": "Stream"},
        "input_mode 'Stream' but must have File, FastFile, Pipe",
    ),
    ("train", {"path": "/", "content_type": "application/x-recordio;label-format=x"}, "label-format 'x'"),
]


@pytest.mark.parametrize(("name", "value", "part"), REJECTED, ids=[part[:40] for _, _, part in REJECTED])
def test_rejects_in_one_sentence(name: str, value: object, part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Channel.parse(name, value)
    (problem,) = caught.value.problems
    assert part in problem
    assert len(problem) < 300


def test_all_problems_of_all_channels_at_once(rec: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_channels(
            {"train": "/no/a", "other": rec, "model": ""},
            required=("train", "validation"),
            known=("train", "validation", "model"),
        )
    missing, unknown, required = caught.value.problems
    assert "/no/a" in missing
    assert "'other'" in unknown
    assert required == (
        "Channel validation is required but missing: give channels.validation=PATH, or "
        "run.validation_share=0.2 to hold a fifth of channel train out."
    )


@pytest.mark.parametrize(
    ("name", "advice"), [("trian", "did you mean train?"), ("train-lst", "did you mean train_lst?")]
)
def test_a_channel_that_is_not_known(rec: Path, name: str, advice: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_channels({name: rec}, known=("train", "validation", "train_lst"))
    assert caught.value.problems == (f"Channel {name!r} is unknown: {advice}",)


def test_blank_channels_are_left_out(rec: Path) -> None:
    assert parse_channels({"train": rec, "model": "", "validation": None}) == {"train": Channel(rec)}

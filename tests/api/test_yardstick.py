"""What is said of the baselines beside a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vision.api.yardstick import baseline_sentence

CHANNELS = {"train": {"path": "/photos"}}


def write_run(
    folder: Path, accuracy: float | None, epoch: int = 0, channels: object = CHANNELS, held_out: object = None
) -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps({"channels": channels}))
    metrics = {} if accuracy is None else {"validation_accuracy": accuracy}
    (folder / "model" / "model.json").write_text(json.dumps({"epoch": epoch, "metrics": metrics}))
    if held_out is not None:
        (folder / "held_out.json").write_text(json.dumps(held_out))
    return folder


@pytest.mark.parametrize(
    ("value", "says"), [(0.93, "the network is better"), (0.92, "does not surpass it"), (0.5, "does not surpass it")]
)
def test_the_best_baseline_of_the_same_images_is_the_yardstick(value: float, says: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 0.9, epoch=3, held_out=[1, 2])
    write_run(tmp_path / "good", 0.92, held_out=[1, 2])
    write_run(tmp_path / "poor", 0.6, held_out=[1, 2])
    found = baseline_sentence(run, "accuracy", value)
    assert found is not None
    assert f"{tmp_path / 'good'}, which is no network, reaches 92.0 %" in found
    assert says in found


def test_other_runs_are_no_yardstick(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 0.9, epoch=3, held_out=[1, 2])
    write_run(tmp_path / "a network", 0.99, epoch=5, held_out=[1, 2])
    write_run(tmp_path / "other images", 0.99, held_out=[1, 3])
    write_run(tmp_path / "other data", 0.99, channels={"train": {"path": "/other"}}, held_out=[1, 2])
    write_run(tmp_path / "unmeasured", None, held_out=[1, 2])
    (tmp_path / "damaged" / "model").mkdir(parents=True)
    (tmp_path / "damaged" / "model" / "model.json").write_text("{")
    (tmp_path / "a file").write_text("")
    assert baseline_sentence(run, "accuracy", 0.9) is None
    assert baseline_sentence(tmp_path / "nowhere" / "run", "accuracy", 0.9) is None

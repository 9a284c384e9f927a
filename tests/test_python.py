"""The Python front door where the README does not run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vision
from tests.api.conftest import write_records
from vision.settings.errors import SettingsError

SMALL: dict[str, Any] = {"num_layers": 20, "image_shape": "3,16,16", "mini_batch_size": 8, "epochs": 1}


def test_folds_have_a_function_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = tmp_path / "train.rec"
    write_records(train, 24, seed=0)
    run = {"device": "cpu", "workers": 0, "report": False, "output": tmp_path / "run"}
    channels = {"train": train, "validation": train}
    with pytest.raises(SettingsError, match=r"run\.folds is not for vision\.fit: call vision\.cross_validate"):
        vision.fit("image_classification", channels, run={**run, "folds": 2}, **SMALL)
    # Needs no validation channel, and counts classes and images itself.
    found = vision.cross_validate("image_classification", {"train": train}, folds=2, run=run, **SMALL)
    assert capsys.readouterr().err.startswith(
        "vision: counted in channel 'train': hp.num_classes=3 hp.num_training_samples=24\n"
    )
    assert found.sizes == (12, 12)
    assert found.mean("accuracy") == pytest.approx(sum(fold["accuracy"] for fold in found.metrics) / 2)

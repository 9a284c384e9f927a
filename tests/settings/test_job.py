from __future__ import annotations

from pathlib import Path

import pytest

from vision.algorithms import facts_of
from vision.settings.channels import Channel
from vision.settings.errors import SettingsError
from vision.settings.job import Job
from vision.settings.run import RunSettings

FACTS = facts_of("image_classification")
TABLE = FACTS.hyperparameters


def test_texts_and_typed_values_give_the_same_job(tmp_path: Path) -> None:
    channels = {"train": str(tmp_path), "validation": tmp_path}
    texts = {"num_classes": "2", "num_training_samples": "8", "image_shape": "3,28,28"}
    typed = {"num_classes": 2, "num_training_samples": 8, "image_shape": [3, 28, 28]}
    job = Job.parse("image_classification", TABLE, texts, channels, {"seed": "1"}, FACTS.channels)
    assert job == Job.parse("image_classification", TABLE, typed, channels, {"seed": 1}, FACTS.channels)
    assert job.channels == {"train": Channel(tmp_path), "validation": Channel(tmp_path)}
    assert job.run == RunSettings(seed=1)


def test_problems_of_all_parts_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Job.parse(
            "image_classification", TABLE, {"num_classes": "0"}, {"train": "/no/such"}, {"seed": "x"}, FACTS.channels
        )
    starts = [
        "Hyperparameter num_classes",
        "Hyperparameter num_training_samples",
        "Channel train",
        "Channel val",
    ]
    for problem, start in zip(caught.value.problems, [*starts, "Run setting seed"], strict=True):
        assert problem.startswith(start)

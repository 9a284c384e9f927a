from __future__ import annotations

import pytest

from vision.sagemaker.hyperparameters_json import DEFAULTS, ContainerSettings, plain_text

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

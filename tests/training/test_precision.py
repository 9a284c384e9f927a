from __future__ import annotations

import logging

import pytest

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.settings.run import RunSettings
from vision.training.trainer import choose_precision

HYPERPARAMETERS = ImageClassificationHyperparameters.parse(
    {"num_classes": 2, "num_training_samples": 8, "precision_dtype": "float16"}
)


@pytest.mark.parametrize(
    ("precision", "accelerator", "has_bfloat16", "chosen", "said"),
    [
        ("auto", "cuda", True, "16-mixed", ""),
        ("auto", "cpu", False, "32-true", "training in float32 instead"),
        ("float32", "cuda", False, "32-true", ""),
        ("bfloat16", "cuda", True, "bf16-mixed", ""),
        ("bfloat16", "cuda", False, "bf16-mixed", "run.precision=float16 is its fast choice"),
        ("bfloat16", "cpu", False, "bf16-mixed", ""),
    ],
)
def test_a_precision_that_is_slow_here_is_said(
    precision: str,
    accelerator: str,
    has_bfloat16: bool,
    chosen: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: has_bfloat16 or including_emulation)
    run = RunSettings.parse({"precision": precision})
    with caplog.at_level(logging.WARNING):
        assert choose_precision(HYPERPARAMETERS, run, accelerator) == chosen
    assert (said in caplog.text) if said else not caplog.text

from __future__ import annotations

from pathlib import Path

import pytest

from vision.sagemaker.serve import container_settings, main


@pytest.mark.parametrize(
    ("prefix", "environment", "model"),
    [
        (None, {}, "/opt/ml/model"),
        ("/srv/ml", {}, "/srv/ml/model"),
        (None, {"SAGEMAKER_BASE_DIR": "/base"}, "/base/model"),
        (None, {"SAGEMAKER_MULTI_MODEL": "true"}, "/opt/ml/models"),
        (None, {"VISION_SERVE_MODEL": "/elsewhere"}, "/elsewhere"),
    ],
)
def test_the_model_is_below_the_prefix(prefix: str | None, environment: dict[str, str], model: str) -> None:
    settings = container_settings(prefix, environment)
    assert settings.model == Path(model)
    assert settings.host == "0.0.0.0"


def test_problems_are_sentences(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "http")
    assert main(["serve"]) == 2
    assert "Serving setting port is 'http'" in capsys.readouterr().err

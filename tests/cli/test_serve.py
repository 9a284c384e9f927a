from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vision.cli.main import main
from vision.serving import supervisor
from vision.serving.settings import ServingSettings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServingSettings]:
    """The settings of each server that would have started."""
    found: list[ServingSettings] = []

    def serve(settings: ServingSettings) -> int:
        found.append(settings)
        return 0

    monkeypatch.setattr(supervisor, "serve", serve)
    return found


def test_settings_come_from_the_command_line_and_the_platform(
    served: list[ServingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "9001")
    monkeypatch.setenv("SAGEMAKER_MAX_PAYLOAD_IN_MB", "20")
    assert main(["serve", "m", "max_batch=4", "max_payload_mb=2"]) == 0
    (settings,) = served
    assert settings.model == Path("m")
    assert (settings.port, settings.max_batch, settings.max_payload_mb) == (9001, 4, 2.0)


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        ([], "Serving setting model is required"),
        (["model=m", "prot=1"], "did you mean port?"),
        (["model=m", "port=x"], "Serving setting port is 'x' but must be an integer from 0 to 65535"),
        (["m", "n"], "Argument 'n' is one too many: this verb takes up to 1 path (model)"),
    ],
)
def test_problems(
    served: list[ServingSettings], argv: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *argv]) == 2
    assert part in capsys.readouterr().err
    assert served == []


def test_help_names_every_setting(served: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in ServingSettings.model_fields)

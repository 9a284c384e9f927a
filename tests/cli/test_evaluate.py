from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import EVALUATION, FakeApi
from vision.cli.main import main
from vision.reports.evaluation_json import read_evaluation
from vision.settings.channels import Channel
from vision.settings.run import RunSettings


def test_prints_tables_and_writes_the_file(api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["evaluate", f"model={tmp_path}", f"channels.validation={tmp_path}", "run.device=cpu", "output=e.json"]
    assert main(argv) == 0
    assert api.calls == [("evaluate", tmp_path, {"validation": Channel(tmp_path)}, RunSettings(device="cpu"))]
    text = capsys.readouterr().out
    assert "[b]dog[/b]" in text
    assert "66.67 %" in text
    assert read_evaluation(tmp_path / "e.json").metrics == EVALUATION.metrics


def test_all_problems_at_once(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "model=/no/such", "run.device=gpu"]) == 2
    channel, device, model = capsys.readouterr().err.splitlines()
    assert "Channel validation is required but missing" in channel
    assert "device is 'gpu'" in device
    assert "Setting model is '/no/such', which does not exist" in model
    assert not api.calls


def test_an_output_that_cannot_be_written(api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["evaluate", f"model={tmp_path}", f"channels.validation={tmp_path}", "output=no/such/e.json"]
    assert main(argv) == 2
    assert "Setting output is 'no/such/e.json', which cannot be written" in capsys.readouterr().err

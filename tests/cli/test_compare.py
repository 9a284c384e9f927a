from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import FakeApi
from vision.cli.main import main
from vision.settings.channels import Channel
from vision.settings.run import RunSettings

pytestmark = pytest.mark.usefixtures("model_here")


def test_prints_the_verdict_and_writes_the_page(
    api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "model.tar.gz").write_bytes((tmp_path / "model.tar.gz").read_bytes())
    argv = ["compare", f"{tmp_path}", f"{tmp_path}/b", f"{tmp_path}"]
    assert main([*argv, "resamples=300", "run.seed=4", f"output={tmp_path}/report"]) == 0
    called = ("compare", tmp_path, tmp_path / "b", {"validation": Channel(tmp_path)}, RunSettings(seed=4), 300)
    assert api.calls == [called]
    text = capsys.readouterr().out
    assert "[b]dog[/b]" in text
    assert "second is better than first: accuracy 75.0 %" in text
    assert json.loads((tmp_path / "report" / "comparison.json").read_text())["num_images"] == 8


def test_all_problems_at_once(api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["compare", "model=/no/such", "other=/nor/this", f"channels.validation={tmp_path}", "resamples=99"]
    assert main(argv) == 2
    model, other, resamples = capsys.readouterr().err.splitlines()
    assert "Setting model is '/no/such', which does not exist" in model
    assert "Setting other is '/nor/this', which does not exist" in other
    assert "Setting resamples is '99': give an integer from 100 to 1000000" in resamples
    assert main(["compare", f"model={tmp_path}", f"channels.validation={tmp_path}"]) == 2
    assert "Setting other is required but missing" in capsys.readouterr().err
    assert not api.calls

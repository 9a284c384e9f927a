from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import EVALUATION, FakeApi
from vision.cli.main import main
from vision.settings.channels import Channel
from vision.settings.run import RunSettings
from vision.settings.thresholds import Thresholds

pytestmark = pytest.mark.usefixtures("model_here")


def test_prints_tables_and_writes_the_file(api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["evaluate", f"{tmp_path}", f"{tmp_path}", "run.device=cpu", "output=e.json"]
    assert main(argv) == 0
    expected = ("evaluate", tmp_path, {"validation": Channel(tmp_path)}, RunSettings(device="cpu"), Thresholds())
    assert api.calls == [expected]
    text = capsys.readouterr().out
    assert "0.123" not in text
    assert "[b]dog[/b]" in text
    assert "66.67 %" in text
    assert json.loads((tmp_path / "e.json").read_text())["metrics"] == EVALUATION.metrics


def test_files_of_custom_labels_lie_beside(api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "first" / "model").mkdir(parents=True)
    (tmp_path / "model.tar.gz").rename(tmp_path / "first" / "model" / "model.tar.gz")
    argv = ["evaluate", f"model={tmp_path}/first/model", f"channels.validation={tmp_path}", "output=e.json"]
    assert main(argv) == 0
    names = sorted(path.name for path in tmp_path.glob("Evaluation*"))
    assert names == [
        "EvaluationManifest-image-classification-first.manifest",
        "EvaluationSummary-image-classification-first.json",
    ]
    wrote = [line.removeprefix("Wrote ") for line in capsys.readouterr().out.splitlines() if line.startswith("Wrote")]
    assert wrote == ["e.json", names[1], names[0]]
    details = json.loads((tmp_path / names[1]).read_text())["EvaluationDetails"]
    assert (details["NumberOfTrainingImages"], details["NumberOfTestingImages"]) == (70, 3)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["threshold=0.5"], Thresholds(0.5)),
        (["threshold=model", "thresholds.cat=1"], Thresholds(by_label={"cat": 1.0}, of_model=True)),
        (["thresholds.a.b=c=0.25"], Thresholds(by_label={"a.b=c": 0.25})),
    ],
)
def test_thresholds(api: FakeApi, tmp_path: Path, words: list[str], expected: Thresholds) -> None:
    assert main(["evaluate", f"model={tmp_path}", f"channels.validation={tmp_path}", *words]) == 0
    assert api.calls[0][-1] == expected


def test_all_problems_at_once(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["evaluate", "model=/no/such", "run.device=gpu", "threshold=2", "thresholds.cat="]
    assert main(argv) == 2
    threshold, of_cat, channel, device, model = capsys.readouterr().err.splitlines()
    assert "threshold is '2' but must be a number from 0 to 1, or model" in threshold
    assert "thresholds.cat is '' but must be a number from 0 to 1" in of_cat
    assert "Channel validation is required but missing" in channel
    assert "device is 'gpu'" in device
    assert "Setting model is '/no/such', which does not exist" in model
    assert not api.calls


def test_an_output_that_cannot_be_written(api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["evaluate", f"model={tmp_path}", f"channels.validation={tmp_path}", f"output={tmp_path}/file/e.json"]
    (tmp_path / "file").touch()
    assert main(argv) == 2
    assert "file cannot be written, since a file stands where a folder is needed" in capsys.readouterr().err
    assert not api.calls

"""What ``vision doctor`` says of a machine."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

import vision
from vision.cli import doctor
from vision.cli.main import main


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No seconds are spent on the speed test, and the cache of the user is not looked into."""
    monkeypatch.setattr(doctor, "_SPEED_TEST_S", 0.0)
    monkeypatch.setattr(doctor, "_STEP_SIDE_PX", 32)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def test_json_names_weights_that_are_there_and_files_of_those_that_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "resnet18-f37072fd.safetensors"
    there.touch()
    words = [f"weights_folder={tmp_path}", f"output={tmp_path / 'runs' / 'new'}"]
    assert main(["doctor", "format=json", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["torch"] == metadata.version("torch") or found["versions"]["torch"]
    assert found["weights"]["found"] == {"resnet18": str(there)}
    assert "resnet50: resnet50-0676ba61.pth or resnet50-11ad3fa6.pth" in found["weights"]["missing"]
    assert not any(line.startswith("resnet18:") for line in found["weights"]["missing"])
    assert found["memory_and_disk"]["can_be_written"] is True
    assert found["memory_and_disk"]["free_disk_gb"] > 0
    assert not (tmp_path / "runs").exists()
    assert all(value.endswith("images/s") for value in found["speed"].values())


def test_text_has_a_line_a_fact(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles == ["versions", "gpu", "memory and disk", "weights", "extras", "speed"]
    assert any(line.split()[0] == "python" for line in lines)


def test_extras_name_what_they_lack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = [
        "torch>=2",
        "no-such-package-x[y]>=1; extra == 'one'",
        "torch; extra == 'two'",
        "vision[one,two]; extra == 'both'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: needs)
    # Installed, without the file of the checkout beside it.
    monkeypatch.setattr(vision, "__file__", str(tmp_path / "vision" / "__init__.py"))
    assert main(["doctor", "format=json"]) == 0
    extras = json.loads(capsys.readouterr().out)["extras"]
    lacking = "not installed: no-such-package-x"
    assert extras == {"both": lacking, "one": lacking, "two": "installed"}


def test_a_checkout_knows_the_extras_of_its_own_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "format=json"]) == 0
    extras = json.loads(capsys.readouterr().out)["extras"]
    assert {"aws", "baseline", "heif", "serve", "timm"} <= extras.keys()


def test_wrong_settings_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "format=yaml"]) == 2
    assert "format is 'yaml'" in capsys.readouterr().err

from __future__ import annotations

from pathlib import Path

import pytest

from vision.sagemaker.run_job import JobFolders
from vision.settings.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> JobFolders:
    made = JobFolders(tmp_path / "output" / "data", tmp_path / "checkpoints", tmp_path / "model", "my-job", "algo-2")
    made.model.mkdir(parents=True)
    return made


def held(folder: Path) -> dict[str, str]:
    return {entry.name: entry.read_text() for entry in folder.iterdir()}


def test_parts_lie_where_the_platform_looks(folder: JobFolders, tmp_path: Path) -> None:
    assert folder.report == tmp_path / "output/data/report"
    assert folder.metrics == tmp_path / "output/data/metrics.csv"
    assert folder.settings == tmp_path / "checkpoints/settings.json"
    assert folder.checkpoints == tmp_path / "checkpoints"
    assert (folder.name, folder.host) == ("my-job", "algo-2")


def test_the_published_model_follows_the_one_beside_the_checkpoints(folder: JobFolders) -> None:
    folder.model_changed()
    assert not folder.published.exists()
    (folder.model / "weights-0001.safetensors").write_text("one")
    (folder.model / "model.json").write_text("first")
    folder.model_changed()
    assert held(folder.published) == {"weights-0001.safetensors": "one", "model.json": "first"}
    (folder.model / "weights-0001.safetensors").unlink()
    (folder.model / "weights-0002.safetensors").write_text("two")
    (folder.model / ".weights-0003.safetensors.part").write_text("half")
    (folder.model / "model.json").write_text("second")
    folder.pack()
    assert held(folder.published) == {"weights-0002.safetensors": "two", "model.json": "second"}


def test_a_place_that_cannot_be_written_is_a_sentence(folder: JobFolders) -> None:
    (folder.model / "model.json").write_text("first")
    folder.published.write_text("a file")
    with pytest.raises(UserError, match=r"model cannot be written, since a file stands"):
        folder.model_changed()

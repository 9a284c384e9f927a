from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.api.conftest import job
from tests.interop.models import pack, write_model, write_shapes
from vision.api import train
from vision.api.open_model import open_model
from vision.artifacts.model_folder import load_model
from vision.interop.mxnet_import import import_mxnet
from vision.settings.errors import UserError
from vision.settings.run import RunSettings


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_model(tmp_path / "files")
    write_shapes(tmp_path / "files", (8, 3, 28, 28))
    return pack(tmp_path / "files", tmp_path / "model.tar.gz")


def test_an_archive_of_sagemaker_opens_like_ours(archive: Path, caplog: pytest.LogCaptureFixture) -> None:
    stored = open_model(archive, RunSettings.parse({"class_names": "ant,bee,cat"}))
    assert stored.class_names == ("ant", "bee", "cat")
    assert stored.hyperparameters["mini_batch_size"] == "8"
    assert stored.state_dict()["resnet.fc1.weight"].shape == (3, 12)
    assert "raw RGB" in caplog.text


def test_class_names_must_fit(archive: Path) -> None:
    with pytest.raises(UserError, match="labels has 2 names"):
        open_model(archive, RunSettings.parse({"class_names": "ant,bee"}))


def test_the_unpacked_copy_goes_with_the_model(archive: Path) -> None:
    stored = open_model(archive, RunSettings())
    folder = stored._folder
    assert folder.exists()
    del stored
    assert not folder.exists()


def test_training_goes_on_from_an_archive_of_sagemaker(tmp_path: Path, channels: dict[str, str]) -> None:
    """At a rate of 0 the weights stay as they were imported."""
    write_model(tmp_path / "files")
    write_shapes(tmp_path / "files", (8, 3, 16, 16))
    (tmp_path / "channel").mkdir()
    pack(tmp_path / "files", tmp_path / "channel" / "model.tar.gz")
    given = {**channels, "model": str(tmp_path / "channel")}
    result = train(job(given, tmp_path / "run", learning_rate=0, epochs=1))
    imported = import_mxnet(tmp_path / "files").state_dict
    found = load_model(result.folder.model).state_dict()
    weights = [name for name in imported if "running" not in name and not name.endswith("num_batches_tracked")]
    assert len(weights) > 40
    assert all(torch.equal(imported[name], found[name]) for name in weights)

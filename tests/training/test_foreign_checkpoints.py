"""A last.ckpt that is none of this run: a sentence, and nothing in it runs."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.files.limits import files_of_at_most
from tests.training.small_run import SmallRun
from vision.settings.errors import UserError
from vision.training.checkpoints import AtomicCheckpointIO


class _Command:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


WRITERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "it is damaged"),
    "text": (lambda path: path.write_bytes(b"this is no checkpoint\n"), "it is damaged"),
    "cut": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(99)), "archive|zip"),
    "command": (
        lambda path: path.write_bytes(pickle.dumps(_Command(path.parent / "made"))),
        "more than tensors and plain values",
    ),
    "torch command": (lambda path: torch.save(_Command(path.parent / "made"), path), "more than tensors and plain"),
    "module": (lambda path: torch.save(torch.nn.Linear(2, 2), path), "more than tensors and plain values"),
    "tensor": (lambda path: torch.save(torch.zeros(3), path), "it holds a Tensor"),
    "list": (lambda path: torch.save([1, 2], path), "it holds a list"),
    "weights": (lambda path: torch.save({"fc.weight": torch.zeros(3)}, path), "it lacks .*state_dict, .*epoch"),
    "kinds": (lambda path: torch.save({"state_dict": [1], "epoch": "first"}, path), "it lacks .*state_dict"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_no_checkpoint_is_a_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "last.ckpt"
    write, words = WRITERS[name]
    write(path)
    with pytest.raises(
        UserError, match=rf"last.ckpt is not a checkpoint of a run \(.*({words}).*: remove it"
    ) as caught:
        AtomicCheckpointIO().load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert os.listdir(tmp_path) == ["last.ckpt"]


def _rename(checkpoint: dict[str, Any]) -> None:
    checkpoint["state_dict"] = {f"model.{name}": value for name, value in checkpoint["state_dict"].items()}


def _reshape(checkpoint: dict[str, Any]) -> None:
    checkpoint["state_dict"]["network.fc.weight"] = torch.zeros(5, 6)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "other names": (_rename, "16 weights differ, first model.network.bn.bias"),
    "other shapes": (_reshape, "1 weights differ, first network.fc.weight"),
    "another program": (lambda checkpoint: checkpoint.pop("rng_state"), "no sums or random state"),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = SmallRun(tmp_path_factory.mktemp("run"), epochs=1)
    run.train()
    return run.checkpoints.path


@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_of_something_else_is_a_sentence(tmp_path: Path, checkpoint: Path, name: str) -> None:
    changed = torch.load(checkpoint, weights_only=True)
    change, words = CHANGES[name]
    change(changed)
    run = SmallRun(tmp_path / "run", epochs=2)
    run.checkpoints.folder.mkdir()
    torch.save(changed, run.checkpoints.path)
    with pytest.raises(UserError, match=rf"of another network or program \({words}"):
        run.train()


def test_a_disk_that_fills_up_keeps_the_checkpoint_before(tmp_path: Path, checkpoint: Path) -> None:
    run = SmallRun(tmp_path / "run", epochs=2)
    run.checkpoints.folder.mkdir()
    before = checkpoint.read_bytes()
    run.checkpoints.path.write_bytes(before)
    with files_of_at_most(2000), pytest.raises(UserError, match=r"checkpoint .*; run.resume=true goes on from the one"):
        run.train()
    assert run.checkpoints.path.read_bytes() == before
    assert os.listdir(run.checkpoints.folder) == ["last.ckpt"]

"""Saving at every moment of failure, packing, and finding a model."""

from __future__ import annotations

import errno
import os
import pickle
import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import compare_settings, load_model, pack_model, save_model
from vision.artifacts.model_place import ForeignArchive
from vision.files import atomic_file
from vision.settings.errors import UserError

Describe = Callable[..., ModelDescription]
WeightsOf = Callable[[int], dict[str, Tensor]]


def files(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def assert_holds(path: Path, epoch: int, describe: Describe, weights_of: WeightsOf) -> None:
    model = load_model(path)
    expected = describe(epoch=epoch).model_dump()
    assert {name: value for name, value in model.model_dump().items() if name in expected} == expected
    found = model.state_dict()
    assert found.keys() == weights_of(epoch).keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in weights_of(epoch).items())


def test_folder_archive_and_run_folder_give_the_same(
    tmp_path: Path, model_folder: Path, describe: Describe, weights_of: WeightsOf
) -> None:
    (tmp_path / "packed").mkdir()
    pack_model(model_folder, tmp_path / "packed" / "model.tar.gz")
    for path in (model_folder, model_folder.parent, tmp_path / "packed", tmp_path / "packed" / "model.tar.gz"):
        assert_holds(path, 1, describe, weights_of)
        assert_holds(Path(os.path.relpath(path)), 1, describe, weights_of)


def test_packing_is_repeatable_and_leaves_strangers_out(tmp_path: Path, model_folder: Path) -> None:
    pack_model(model_folder, tmp_path / "1.tar.gz")
    (model_folder / "weights-0099.safetensors").write_bytes(b"stale")
    (model_folder / "notes.txt").write_bytes(b"mine")
    pack_model(model_folder, tmp_path / "2.tar.gz")
    assert (tmp_path / "1.tar.gz").read_bytes() == (tmp_path / "2.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "1.tar.gz") as archive:
        assert archive.getnames() == ["model.json", "weights-0001.safetensors"]


def test_unpacked_files_go_when_the_model_does(tmp_path: Path, model_folder: Path, monkeypatch: Any) -> None:
    pack_model(model_folder, tmp_path / "model.tar.gz")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    model = load_model(tmp_path / "model.tar.gz")
    assert files(scratch)
    model.state_dict()
    del model
    assert not files(scratch)
    with pytest.raises(UserError):
        load_model(tmp_path / "model.tar.gz", max_bytes=100)
    assert not files(scratch)


def test_a_better_model_replaces_the_last(model_folder: Path, describe: Describe, weights_of: WeightsOf) -> None:
    (model_folder / "weights-0077.safetensors").write_bytes(b"stale")
    (model_folder / ".weights-0078.safetensors.part").write_bytes(b"half")
    (model_folder / "notes.txt").write_bytes(b"mine")
    save_model(model_folder, describe(epoch=2), weights_of(2))
    assert_holds(model_folder, 2, describe, weights_of)
    assert files(model_folder) == {"model.json", "weights-0002.safetensors", "notes.txt"}


def test_checkpoints_stay_beside_the_best(model_folder: Path, describe: Describe, weights_of: WeightsOf) -> None:
    """Every second epoch is kept; 1, 3 and 4 are the best so far."""
    for epoch, best in ((2, False), (3, True), (4, True), (6, False), (6, False)):
        metrics = {"validation_accuracy": epoch / 10}
        save_model(
            model_folder, describe(epoch=epoch, metrics=metrics), weights_of(epoch), best=best, keep=epoch % 2 == 0
        )
    model = load_model(model_folder)
    assert model.epoch == 4
    assert [(kept.epoch, kept.metrics) for kept in model.checkpoints] == [
        (epoch, {"validation_accuracy": epoch / 10}) for epoch in (2, 4, 6)
    ]
    assert files(model_folder) == {"model.json", *(f"weights-000{epoch}.safetensors" for epoch in (2, 4, 6))}
    for epoch in (2, 4, 6):
        assert torch.equal(model.state_dict(epoch)["fc.weight"], weights_of(epoch)["fc.weight"])
    assert torch.equal(model.state_dict()["fc.weight"], weights_of(4)["fc.weight"])
    with pytest.raises(UserError, match="no weights of epoch 3; it has those of 2, 4, 6"):
        model.state_dict(3)
    (model_folder / "weights-0002.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match="damaged or was replaced"):
        model.state_dict(2)


def test_an_epoch_can_be_saved_again(model_folder: Path, describe: Describe, weights_of: WeightsOf) -> None:
    before = (model_folder / "model.json").read_bytes()
    save_model(model_folder, describe(epoch=1), weights_of(1))
    assert (model_folder / "model.json").read_bytes() == before
    save_model(model_folder, describe(epoch=1), weights_of(5))
    assert files(model_folder) == {"model.json", "weights-0001-2.safetensors"}
    assert torch.equal(load_model(model_folder).state_dict()["fc.weight"], weights_of(5)["fc.weight"])


class Killed(BaseException):
    """What kill -9 is to the code: nothing after it runs."""


class Fault:
    """Lets ``operations`` file operations succeed and fails the next one, or all that follow if it kills."""

    def __init__(self, operations: int, kills: bool) -> None:
        self.left = operations
        self.kills = kills
        self.happened = False

    def check(self) -> None:
        self.left -= 1
        if self.left == -1 or (self.kills and self.left < 0):
            self.happened = True
            raise Killed if self.kills else OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fault], None]:
    """Puts a fault under every operation that changes a file."""

    def install(fault: Fault) -> None:
        def faulty(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                fault.check()
                return original(*args, **kwargs)

            return call

        class Writer:
            def __init__(self, file: Any) -> None:
                self.file = file

            def write(self, data: bytes) -> None:
                try:
                    fault.check()
                except OSError:
                    # A disk fills in the middle of a write.
                    self.file.write(data[: len(data) // 2])
                    raise
                self.file.write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(self.file, name)

        original_fdopen = os.fdopen

        def open_file(*args: Any, **kwargs: Any) -> Any:
            # Reading fails in no way that matters here.
            if args[1] == "rb":
                return original_fdopen(*args, **kwargs)
            fault.check()
            return Writer(original_fdopen(*args, **kwargs))

        monkeypatch.setattr(atomic_file.os, "fdopen", open_file)
        monkeypatch.setattr(atomic_file.os, "replace", faulty(os.replace))
        monkeypatch.setattr(Path, "unlink", faulty(Path.unlink))
        monkeypatch.setattr(atomic_file.os, "fsync", faulty(os.fsync))

    return install


@pytest.mark.parametrize("kills", [False, True], ids=["disk full", "killed"])
@pytest.mark.parametrize("operations", range(14))
def test_a_failure_at_any_moment_leaves_a_whole_model(
    model_folder: Path,
    describe: Describe,
    weights_of: WeightsOf,
    inject: Callable[[Fault], None],
    monkeypatch: pytest.MonkeyPatch,
    operations: int,
    kills: bool,
) -> None:
    fault = Fault(operations, kills)
    inject(fault)
    # Two files are opened, written, synced and renamed, and the folder is synced; then one file is removed.
    fails = operations < 11
    expected = pytest.raises(
        (UserError, Killed), match=None if kills else "is not saved.*still holds a whole model.*disk is full"
    )
    with expected if fails else nullcontext():
        save_model(model_folder, describe(epoch=2), weights_of(2))
    monkeypatch.undo()
    assert fault.happened == fails
    is_new = load_model(model_folder).epoch == 2
    assert is_new == (operations >= 9)
    assert_holds(model_folder, 2 if is_new else 1, describe, weights_of)
    save_model(model_folder, describe(epoch=3), weights_of(3))
    assert_holds(model_folder, 3, describe, weights_of)
    assert files(model_folder) == {"model.json", "weights-0003.safetensors"}


def test_a_full_disk_says_when_there_is_no_model_yet(
    tmp_path: Path, describe: Describe, weights_of: WeightsOf, inject: Callable[[Fault], None]
) -> None:
    inject(Fault(1, kills=False))
    with pytest.raises(UserError, match="holds no model yet"):
        save_model(tmp_path / "model", describe(), weights_of(1))


def test_a_full_disk_leaves_the_last_archive(
    tmp_path: Path, model_folder: Path, inject: Callable[[Fault], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model.tar.gz"
    pack_model(model_folder, target)
    before = target.read_bytes()
    for operations in range(4):
        inject(Fault(operations, kills=False))
        with pytest.raises(UserError, match="cannot be written"):
            pack_model(model_folder, target)
        monkeypatch.undo()
        assert target.read_bytes() == before
        assert files(tmp_path) == {"model", "model.tar.gz"}


def test_foreign_models_are_told_apart(tmp_path: Path) -> None:
    names = ("image-classification-0001.params", "image-classification-symbol.json", "model-shapes.json")
    folder = tmp_path / "unpacked"
    folder.mkdir()
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        for name in names:
            (folder / name).write_bytes(b"{}")
            archive.add(folder / name, name)
    for path, reported in ((tmp_path, tmp_path / "model.tar.gz"), (folder, folder)):
        with pytest.raises(ForeignArchive, match="must be imported") as caught:
            load_model(path)
        assert caught.value.members == names
        assert caught.value.path == reported


class Payload:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("executed",)


def test_pickles_are_never_read(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch, describe: Describe
) -> None:
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(Payload())
    (tmp_path / "model.pth").write_bytes(pickled)
    with pytest.raises(UserError, match="not a gzip-compressed tar"):
        load_model(tmp_path / "model.pth")
    (model_folder / "weights-0001.safetensors").write_bytes(pickled)
    with pytest.raises(UserError, match="damaged or was replaced"):
        load_model(model_folder)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("case", "names", "words"),
    [
        ("nothing", [], "no model.*it is empty.*give a model folder"),
        ("other files", ["a", "b", "c", "d", "e", "f"], "it holds a, b, c, d, e and 1 more"),
        ("a run that saved nothing", ["metrics.csv"], r"it holds metrics\.csv"),
    ],
)
def test_says_what_was_found(tmp_path: Path, case: str, names: list[str], words: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=words):
        load_model(tmp_path)
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for name in names:
            archive.add(tmp_path / name, name)
    with pytest.raises(UserError, match=words):
        load_model(tmp_path / "x.tar.gz")


def test_other_problems(tmp_path: Path, model_folder: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(UserError, match="at most 10 are allowed"):
        load_model(model_folder, max_bytes=10)
    (model_folder / "weights-0001.safetensors").unlink()
    with pytest.raises(UserError, match=r"model/weights-0001\.safetensors is missing"):
        load_model(tmp_path)
    with pytest.raises(UserError, match="cannot be written"):
        pack_model(model_folder, tmp_path / "model.tar.gz")


@pytest.mark.parametrize(
    ("required", "stored", "expected"),
    [
        ({}, {"num_layers": "18"}, []),
        ({"num_layers": "18", "num_classes": "2"}, {"num_classes": "2", "num_layers": "18", "epochs": "9"}, []),
        (
            {"num_layers": "18", "num_classes": "3"},
            {"num_layers": "50", "num_classes": "2"},
            [
                "num_layers is 18 in this job and 50 in the stored model",
                "num_classes is 3 in this job and 2 in the stored model",
            ],
        ),
        ({"top_k": "5"}, {}, ["top_k is 5 in this job and not set in the stored model"]),
        ({"top_k": None}, {}, []),
        ({"top_k": None}, {"top_k": "5"}, ["top_k is not set in this job and 5 in the stored model"]),
    ],
)
def test_names_what_differs(required: dict[str, str], stored: dict[str, str], expected: list[str]) -> None:
    assert compare_settings(required, stored) == expected

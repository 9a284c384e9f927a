"""A model folder: model.json and the safetensors files that it names; also packed as model.tar.gz."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path

from pydantic import PrivateAttr
from torch import Tensor

from vision.artifacts.archive import extract_archive, pack_archive
from vision.artifacts.model_description import (
    MAX_JSON_BYTES,
    MODEL_JSON,
    WEIGHTS_NAME,
    Checkpoint,
    ModelDescription,
    ModelFile,
    WeightsFile,
)
from vision.artifacts.model_place import find_model, not_a_model
from vision.artifacts.weights import check_weights, encode_weights, read_weights
from vision.files.atomic_file import PART_SUFFIX, write_whole
from vision.files.write_error import WriteError, writing
from vision.settings.errors import UserError

DEFAULT_MAX_BYTES = 8 * 2**30


def save_model(
    folder: Path,
    description: ModelDescription,
    state_dict: Mapping[str, Tensor],
    *,
    best: bool = True,
    keep: bool = False,
) -> None:
    """Save one epoch. A crash or a full disk at any moment leaves the model saved before, whole.

    ``best`` makes it the model in use (the first one saved always is). ``keep`` lists it among the
    checkpoints, so that it stays when a better one comes. What is neither in use nor kept is removed last.
    """
    assert best or keep
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / MODEL_JSON
            former = ModelFile.read(path, str(path)) if path.exists() else None
            data = encode_weights(state_dict)
            weights = _new_weights(description.epoch, hashlib.sha256(data).hexdigest(), former)
            write_whole(folder / weights.name, data)
            model = _with_epoch(former, description, weights, best=best, keep=keep)
            write_whole(path, model.to_json())
            _remove_stale(folder, model)
    except WriteError as error:
        kept = "still holds a whole model" if os.path.exists(folder / MODEL_JSON) else "holds no model yet"
        raise UserError(f"the model of epoch {description.epoch} is not saved, and {folder} {kept}: {error}") from error


def pack_model(folder: Path, target: Path) -> None:
    """Pack a model folder into a model.tar.gz, its files at the root; the same model gives the same bytes."""
    model = ModelFile.read(folder / MODEL_JSON, str(folder / MODEL_JSON))
    try:
        pack_archive(folder, [MODEL_JSON, *model.weights_files()], target)
    except OSError as error:
        raise UserError(
            f"{target} cannot be written, since {error.filename} was removed or cannot be read ({error.strerror}): "
            f"leave {folder} alone while it is in use"
        ) from error


def load_model(path: str | Path, max_bytes: int = DEFAULT_MAX_BYTES) -> StoredModel:
    """Read a model folder, a model.tar.gz, or a run folder with one of them in it. None of them is trusted.

    ``max_bytes`` bounds what an archive may unpack to and what a weights file may have.
    """
    found = find_model(Path(path))
    return StoredModel.open(found, str(found), max_bytes) if found.is_dir() else _load_archive(found, max_bytes)


def _load_archive(path: Path, max_bytes: int) -> StoredModel:
    bounds = {MODEL_JSON: MAX_JSON_BYTES}

    def max_size_of(name: str) -> int | None:
        return max_bytes if re.fullmatch(WEIGHTS_NAME, name) else bounds.get(name)

    folder = Path(tempfile.mkdtemp(prefix="vision-model-"))
    try:
        names = extract_archive(path, folder, max_size_of, max_bytes)
        if MODEL_JSON not in names:
            raise not_a_model(path, names)
        model = StoredModel.open(folder, str(path), max_bytes)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
    return model


def _new_weights(epoch: int, sha256: str, former: ModelFile | None) -> WeightsFile:
    """A name that no other weights in use have, so that writing them cannot harm a model."""
    taken = former.weights_files() if former else {}
    for suffix in ("", *(f"-{number}" for number in range(2, 10_000))):
        name = f"weights-{epoch:04d}{suffix}.safetensors"
        if name not in taken or taken[name].sha256 == sha256:
            return WeightsFile(name=name, sha256=sha256)
    raise AssertionError(f"epoch {epoch} was saved thousands of times")


def _with_epoch(
    former: ModelFile | None, description: ModelDescription, weights: WeightsFile, *, best: bool, keep: bool
) -> ModelFile:
    kept = {checkpoint.epoch: checkpoint for checkpoint in former.checkpoints} if former else {}
    if keep:
        kept[description.epoch] = Checkpoint(epoch=description.epoch, weights=weights, metrics=description.metrics)
    checkpoints = tuple(kept[epoch] for epoch in sorted(kept))
    if former is not None and not best:
        return former.model_copy(update={"checkpoints": checkpoints})
    values = {name: getattr(description, name) for name in ModelDescription.model_fields}
    return ModelFile(**values, weights=weights, checkpoints=checkpoints)


def _remove_stale(folder: Path, model: ModelFile) -> None:
    """Remove weights that are no longer named, and what a killed process left half written."""
    used = model.weights_files()
    for entry in list(folder.iterdir()):
        is_stale = re.fullmatch(WEIGHTS_NAME, entry.name) and entry.name not in used
        if is_stale or (entry.name.startswith(".weights-") and entry.name.endswith(PART_SUFFIX)):
            entry.unlink()


class StoredModel(ModelFile):
    """A model that was read and checked; its weights are read when they are asked for."""

    _folder: Path = PrivateAttr()
    _shown: str = PrivateAttr()
    _max_bytes: int = PrivateAttr()

    @classmethod
    def open(cls, folder: Path, shown: str, max_bytes: int) -> StoredModel:
        """Read model.json of ``folder`` and check the weights of the model in use.

        ``shown`` names the folder in sentences. ``max_bytes`` bounds a weights file.
        """
        try:
            model = cls.read(folder / MODEL_JSON, f"{shown}/{MODEL_JSON}")
            model._folder, model._shown, model._max_bytes = folder, shown, max_bytes
            model._check(model.weights)
        except OSError as error:
            raise UserError(f"{shown} cannot be read: {error}") from error
        return model

    def state_dict(self, epoch: int | None = None) -> dict[str, Tensor]:
        """Return tensors by name, on the CPU: of the model in use, or of a kept epoch. Shapes are not checked."""
        weights = self.weights
        if epoch is not None and epoch != self.epoch:
            kept = {checkpoint.epoch: checkpoint.weights for checkpoint in self.checkpoints}
            if epoch not in kept:
                epochs = ", ".join(map(str, sorted({*kept, self.epoch})))
                raise UserError(f"{self._shown} has no weights of epoch {epoch}; it has those of {epochs}")
            weights = kept[epoch]
            self._check(weights)
        return read_weights(self._folder / weights.name, f"{self._shown}/{weights.name}")

    def _check(self, weights: WeightsFile) -> None:
        path = self._folder / weights.name
        check_weights(path, weights.sha256, self._max_bytes, f"{self._shown}/{weights.name}")


def compare_settings(required: Mapping[str, object], stored: Mapping[str, object]) -> list[str]:
    """Return a sentence for each setting of the job that has another value in the model that it continues."""
    return [
        f"{name} is {_shown(value)} in this job and {_shown(stored.get(name))} in the stored model"
        for name, value in required.items()
        if stored.get(name) != value
    ]


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)[:200]

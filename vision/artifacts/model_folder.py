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
from vision.artifacts.stored_model import StoredModel
from vision.artifacts.weights import encode_weights
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

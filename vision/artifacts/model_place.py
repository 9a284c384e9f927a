"""Where a model is: in a folder, in an archive, or in a run folder. Looks without torch, so that it answers at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from vision.artifacts.model_description import MODEL_JSON, ModelFile
from vision.settings.errors import UserError
from vision.settings.file_names import local_path
from vision.settings.regular_file import open_regular

MODEL_FOLDER = "model"
MODEL_ARCHIVE = "model.tar.gz"
GZIP_START = b"\x1f\x8b"

_FOREIGN = ("-symbol.json", ".params")


class ForeignArchive(UserError):
    """A model of SageMaker's own container or of MXNet, at ``path``, with the files ``members``."""

    def __init__(self, path: Path, members: tuple[str, ...]) -> None:
        self.path = path
        self.members = members
        foreign = _some(name for name in members if name.endswith(_FOREIGN))
        super().__init__(
            f"{path} is a model of MXNet or of SageMaker's own container (it holds {foreign}); "
            f"it must be imported before it can be used here"
        )


def find_model(path: Path) -> Path:
    """Return the archive, or the folder with model.json, that a path names. Raises UserError or ForeignArchive."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"{path} does not exist; give a model folder, a model.tar.gz or a run folder")
    for folder in (path, path / MODEL_FOLDER):
        if (folder / MODEL_JSON).is_file():
            return folder
    if (path / MODEL_ARCHIVE).is_file():
        return path / MODEL_ARCHIVE
    raise not_a_model(path, sorted(entry.name for entry in itertools.islice(path.iterdir(), 1000)))


def is_published(name: str) -> bool:
    """Return whether a name is ``imagenet``, ``classical`` or ``timm:NAME``, and so no path."""
    return (name in ("imagenet", "classical") or ":" in name) and not local_path(name).exists()


def look_at_model(path: Path) -> ModelFile | None:
    """Find what can be found wrong with a model before it is loaded. Raises UserError.

    Returns what a folder says of its model, None for an archive, which only loading opens.
    """
    try:
        found = find_model(path)
    except ForeignArchive:
        return None
    if found.is_dir():
        return ModelFile.read(found / MODEL_JSON, str(found / MODEL_JSON))
    try:
        with open_regular(found) as file:
            start = file.read(len(GZIP_START))
    except OSError as error:
        raise UserError(f"{found} cannot be read ({error.strerror}); allow this user to read it") from error
    if start != GZIP_START:
        raise UserError(
            f"{found} is not a gzip-compressed tar archive; give a model folder, a model.tar.gz or a run folder"
        )
    return None


def not_a_model(path: Path, names: Sequence[str]) -> UserError:
    """Return the error to raise for a folder or archive that holds ``names``."""
    if any(name.endswith(_FOREIGN) for name in names):
        return ForeignArchive(path, tuple(names))
    found = f"it holds {_some(names)}" if names else "it is empty"
    return UserError(
        f"{path} is no model ({found}); give a model folder (with model.json), a model.tar.gz (with "
        f"model.json at its root) or a run folder (with model/ or model.tar.gz)"
    )


def _some(names: Iterable[str]) -> str:
    shown = [name[:60] for name in names]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")

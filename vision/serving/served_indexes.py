"""The folder of indexes that a server searches, by their names, and the network that makes their vectors."""

from __future__ import annotations

import re
import shutil
import threading
import uuid
from pathlib import Path

from vision.files.write_error import WriteError, make_folder
from vision.retrieval.embedding_model import EmbeddingModel
from vision.retrieval.image_index import INDEX_JSON, ImageIndex
from vision.retrieval.live_index import LiveIndex
from vision.serving.hosted_embedding import HostedEmbedding
from vision.serving.hosted_network import SharedResources
from vision.serving.request_failure import RequestFailure
from vision.settings.errors import UserError
from vision.settings.nearest import shown

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
# No name of an index begins so.
_DELETED = ".deleted-"


class ServedIndexes:
    """Indexes are opened when they are first asked for. Methods other than ``embedding``'s block. Safe for threads.

    The constructor loads the network. Raises UserError. All methods raise RequestFailure.
    """

    def __init__(self, folder: Path, shared: SharedResources) -> None:
        make_folder(folder)
        # What a killed server did not get to.
        for left in folder.glob(f"{_DELETED}*"):
            shutil.rmtree(left, ignore_errors=True)
        self._folder = folder
        self._open: dict[str, LiveIndex] = {}
        self._lock = threading.Lock()
        self.embedding = HostedEmbedding(EmbeddingModel.open(str(shared.settings.model), shared.run), shared)

    def names(self) -> list[str]:
        """Return the names of all indexes, sorted."""
        return sorted(path.parent.name for path in self._folder.glob(f"*/{INDEX_JSON}") if _is_name(path.parent.name))

    def get(self, name: str) -> LiveIndex:
        """Return an index. Raises RequestFailure 404 (there is none), or 409 (another model made it)."""
        folder = self._path(name)
        with self._lock:
            self._check_exists(name)
            if name not in self._open:
                self._close_deleted()
                self._open[name] = self._opened(name, ImageIndex.open(folder))
            return self._open[name]

    def create(self, name: str) -> None:
        """Make an empty index. Raises RequestFailure 409 if there is one."""
        folder = self._path(name)
        with self._lock:
            if folder.exists():
                raise RequestFailure(409, f"index {shown(name)} exists already; take another name")
            ImageIndex.open_or_make(folder, self.embedding.description)

    def delete(self, name: str) -> None:
        """Delete an index with all that it holds, in one step, also one that is damaged. Raises RequestFailure 404."""
        gone = self._folder / f"{_DELETED}{uuid.uuid4().hex}"
        with self._lock:
            self._check_exists(name)
            self._open.pop(name, None)
            try:
                self._path(name).rename(gone)
            except FileNotFoundError:
                # Another worker was faster.
                return
            except OSError as error:
                raise WriteError(self._path(name), error) from error
        shutil.rmtree(gone, ignore_errors=True)

    def _opened(self, name: str, index: ImageIndex) -> LiveIndex:
        made_by, own = index.description, self.embedding.description
        if made_by.model_sha256 != own.model_sha256:
            raise RequestFailure(
                409,
                f"index {shown(name)} holds vectors of {Path(made_by.model).name}, whose weights differ from those of"
                f" the model that is served here, {Path(own.model).name}; serve the model that made it",
            )
        return LiveIndex(index)

    def _close_deleted(self) -> None:
        """Free the memory of indexes that another process has deleted."""
        for name in [one for one in self._open if not (self._folder / one / INDEX_JSON).exists()]:
            del self._open[name]

    def _check_exists(self, name: str) -> None:
        """Raise RequestFailure 404 unless there is such an index."""
        if not (self._path(name) / INDEX_JSON).exists():
            self._open.pop(name, None)
            raise RequestFailure(404, f"index {shown(name)} does not exist; make it with PUT /indexes/{name}")

    def _path(self, name: str) -> Path:
        if not _is_name(name):
            raise RequestFailure(
                400, f"the name of an index is {shown(name)}, but letters, digits, '_', '-' and '.' make one"
            )
        return self._folder / name


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def failure_of(error: UserError) -> RequestFailure:
    """Return what a client learns of an index that is damaged or cannot be written."""
    if isinstance(error, WriteError):
        return RequestFailure(507, "the index cannot be written; the server's log says why")
    return RequestFailure(500, "the index is damaged; the server's log says why")

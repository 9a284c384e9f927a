"""Opens whatever names a model: ours, or one that SageMaker's containers or MXNet saved."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from pathlib import Path

from vision.artifacts.model_folder import StoredModel, load_model
from vision.artifacts.model_place import ForeignArchive
from vision.settings.run import RunSettings

log = logging.getLogger(__name__)

GIGABYTE = 10**9


def open_model(path: str | Path, run: RunSettings) -> StoredModel:
    """Open a model folder, a model.tar.gz or a run folder. A model of MXNet is imported in passing.

    What the import decided or assumed is logged; ``run.class_names`` names its classes. Raises UserError.
    """
    max_bytes = int(run.max_archive_gb * GIGABYTE)
    try:
        return load_model(path, max_bytes)
    except ForeignArchive as foreign:
        return _import(foreign, run, max_bytes)


def _import(foreign: ForeignArchive, run: RunSettings, max_bytes: int) -> StoredModel:
    from vision.interop.imported_model import ImportOptions
    from vision.interop.mxnet_import import import_mxnet

    imported = import_mxnet(foreign.path, ImportOptions(labels=run.class_names), max_bytes)
    for remark in imported.remarks:
        log.warning("%s: %s", foreign.path, remark)
    folder = Path(tempfile.mkdtemp(prefix="vision-imported-"))
    try:
        imported.save(folder)
        stored = StoredModel.open(folder, str(foreign.path), max_bytes)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(stored, shutil.rmtree, folder, ignore_errors=True)
    return stored

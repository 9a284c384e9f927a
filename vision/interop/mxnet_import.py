"""Opens models that SageMaker's built-in algorithms or MXNet saved, without mxnet, as models of this package."""

from __future__ import annotations

from pathlib import Path

from vision.artifacts.model_folder import DEFAULT_MAX_BYTES
from vision.interop.classifier_import import import_classifier
from vision.interop.detector_import import import_detector, is_detector
from vision.interop.imported_model import ImportedModel, ImportOptions
from vision.interop.mxnet_files import read_files


def import_mxnet(
    path: str | Path, options: ImportOptions | None = None, max_bytes: int = DEFAULT_MAX_BYTES
) -> ImportedModel:
    """Import a model.tar.gz, a folder or a ``*-symbol.json`` in one. Nothing in it is trusted.

    ``max_bytes`` bounds what an archive may unpack to and each file. Raises UserError naming what cannot be mapped.
    """
    options = options or ImportOptions()
    files = read_files(Path(path), max_bytes, options.epoch)
    return import_detector(files, options) if is_detector(files.graph) else import_classifier(files, options)

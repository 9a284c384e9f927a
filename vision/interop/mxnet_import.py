"""Opens models that SageMaker's built-in algorithms or MXNet saved, without mxnet, as models of this package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vision.artifacts.model_folder import DEFAULT_MAX_BYTES
from vision.interop.classifier_import import dense_layers, import_classifier, is_classifier
from vision.interop.detector_import import import_detector, is_detector
from vision.interop.imported_model import ImportedModel, ImportOptions
from vision.interop.mxnet_files import MXNetFiles, read_files
from vision.interop.mxnet_symbol import Graph
from vision.settings.errors import DataError


@dataclass(frozen=True)
class Importer:
    """How the networks of one kind are imported.

    ``recognizes`` decides by the graph alone; no two importers may recognize the same graph. ``read`` raises
    UserError naming what cannot be mapped.
    """

    recognizes: Callable[[Graph], bool]
    read: Callable[[MXNetFiles, ImportOptions], ImportedModel]


# To add a kind of network, append its importer.
IMPORTERS = (Importer(is_detector, import_detector), Importer(is_classifier, import_classifier))


def import_mxnet(
    path: str | Path, options: ImportOptions | None = None, max_bytes: int = DEFAULT_MAX_BYTES
) -> ImportedModel:
    """Import a model.tar.gz, a folder or a ``*-symbol.json`` in one. Nothing in it is trusted.

    ``max_bytes`` bounds what an archive may unpack to and each file. Raises UserError naming what cannot be mapped.
    """
    options = options or ImportOptions()
    files = read_files(Path(path), max_bytes, options.epoch)
    importer = next((importer for importer in IMPORTERS if importer.recognizes(files.graph)), None)
    if importer is None:
        raise DataError(
            files.graph.name,
            f"has {len(dense_layers(files.graph))} fully connected layers: ResNets, which have one, and SSD detectors"
            " can be imported",
        )
    return importer.read(files, options)

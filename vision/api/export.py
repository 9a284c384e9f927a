"""Exports a model: to formats that need nothing of this package, or back to MXNet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from vision.algorithms import facts_of
from vision.algorithms.facts import AlgorithmFacts
from vision.api.model import Model, model_of, open_model
from vision.artifacts.export import SUFFIXES, Difference, export_network, write_sidecar
from vision.files.atomic_file import check_writable
from vision.settings.errors import UserError
from vision.settings.nearest import did_you_mean, shown
from vision.settings.run import RunSettings

FORMATS = (*SUFFIXES, "mxnet")


@dataclass(frozen=True)
class Exported:
    """What an export wrote. ``differences`` to the model by output; none for MXNet, which cannot be run here."""

    files: tuple[Path, ...]
    differences: tuple[Difference, ...]


def export(
    model: str | Path,
    format: str,
    output: str | Path,
    *,
    nms: bool = False,
    size_px: tuple[int, int] | None = None,
    run: RunSettings | None = None,
) -> Exported:
    """Export a model folder, a model.tar.gz (SageMaker's own too) or a run folder.

    ``output``: a file, beside which a .json of the same name says input, preprocessing and outputs; for "mxnet" a
    folder. ``nms``: detections instead of raw heads, in ONNX. The batch is dynamic, and so is
    the size of images where the network takes any; ``size_px``, width and height, fixes it. Raises UserError.
    """
    if format not in FORMATS:
        raise UserError(f"Setting format is {shown(format)}: {did_you_mean(format, FORMATS)}")
    if nms and format != "onnx":
        raise UserError(
            f"Setting nms is true, but format={format} has raw heads only: use format=onnx or leave nms out"
        )
    run = run or RunSettings()
    stored = open_model(model, run)
    _refuse_impossible(facts_of(stored.algorithm), format, nms)
    loaded = model_of(stored, str(model), torch.device("cpu"))
    loaded.network.to(memory_format=torch.contiguous_format)
    if format == "mxnet":
        return _to_mxnet(loaded, Path(output))
    return _to_file(loaded, format, Path(output), nms, size_px)


def _refuse_impossible(facts: AlgorithmFacts, format: str, nms: bool) -> None:
    """Raise UserError if the algorithm does not offer what is asked for."""
    if nms and not facts.capabilities.onnx_pipeline:
        raise UserError("Setting nms is true, but this model makes no detections: leave nms out")
    if format == "mxnet" and not facts.capabilities.mxnet_export:
        raise UserError(f"MXNet has no {facts.title} to which this model could be exported: use format=onnx")


def _to_file(model: Model, format: str, path: Path, nms: bool, size_px: tuple[int, int] | None) -> Exported:
    heads = model.algorithm.export_heads(model.network, model.hyperparameters)
    if size_px is not None:
        heads = heads.of_size(*size_px)
    sidecar = path.with_suffix(".json")
    if sidecar == path:
        raise UserError(f"Setting output is {shown(str(path))}: give it another ending, such as {SUFFIXES[format]}")
    _refuse_existing(path, sidecar)
    check_writable(path)
    differences = export_network(heads, format, path, pipeline=nms)
    outputs = heads.pipeline_outputs if nms else heads.outputs
    example = path.name if format == "onnx" else ""
    write_sidecar(sidecar, heads, outputs, {"format": format, **_facts(model)}, exported=example)
    return Exported((path, sidecar), differences)


def _to_mxnet(model: Model, folder: Path) -> Exported:
    from vision.interop.mxnet_export import for_mxnet

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"Setting output is {shown(str(folder))}, which exists already: give output=NEW_FOLDER")
    exported = for_mxnet(model.network, model.stored)
    exported.side_files[f"{exported.prefix}.json"] = {
        "format": "mxnet",
        "input": {"name": "data", "dtype": "float32", "meaning": "RGB [N, C, H, W], (0..255 - mean) / std"},
        **_facts(model),
    }
    return Exported(tuple(exported.save(folder)), ())


def _refuse_existing(*paths: Path) -> None:
    existing = next((path for path in paths if path.exists()), None)
    if existing is not None:
        raise UserError(f"{existing} exists already: remove it or give another output=")


def _facts(model: Model) -> dict[str, object]:
    """Return what a user of the exported file has to know besides inputs and outputs."""
    return {
        "algorithm": model.stored.algorithm,
        "class_names": list(model.class_names),
        "preprocessing": model.stored.preprocessing,
        "hyperparameters": model.stored.hyperparameters,
        "versions": model.stored.versions,
    }

"""The files of a model that MXNet or SageMaker's containers saved: which belong together, and what they hold."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vision.artifacts.archive import extract_archive
from vision.interop.mxnet_params import read_params
from vision.interop.mxnet_symbol import MAX_SYMBOL_BYTES, Graph, read_symbol
from vision.settings.errors import DataError, UserError
from vision.settings.regular_file import open_regular

SYMBOL_SUFFIX = "-symbol.json"
SHAPES_FILE, SETTINGS_FILE = "model-shapes.json", "hyperparams.json"
MAX_SIDE_FILE_BYTES = 1 << 20
_PARAMS = re.compile(r"(?P<prefix>.+)-(?P<epoch>[0-9]{4,9})\.params")


@dataclass(frozen=True)
class MXNetFiles:
    """One network as its files say it.

    ``arrays`` by parameter name, without ``arg:`` and ``aux:``. ``data_shape`` is (N, C, H, W) of the training
    batch. ``settings`` are those of hyperparams.json. ``remarks``: sentences about what was chosen.
    """

    name: str
    graph: Graph
    arrays: dict[str, np.ndarray]
    epoch: int
    data_shape: tuple[int, ...] | None = None
    settings: dict[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def read_files(path: Path, max_bytes: int, epoch: int | None = None) -> MXNetFiles:
    """Read a folder, a ``*-symbol.json`` in one, or a model.tar.gz. None of them is trusted.

    ``epoch`` chooses among several ``-NNNN.params``, else the latest is read. ``max_bytes`` bounds what an archive
    may unpack to and each file. Raises UserError.
    """
    try:
        if path.is_dir():
            names = sorted(entry.name for entry in path.iterdir())
            return _read(path, path, names, max_bytes, epoch)
        if path.name.endswith(SYMBOL_SUFFIX) and path.is_file():
            others = {entry.name for entry in path.parent.iterdir() if not entry.name.endswith(SYMBOL_SUFFIX)}
            return _read(path.parent, path, sorted({*others, path.name}), max_bytes, epoch)
        if path.is_file():
            with tempfile.TemporaryDirectory(prefix="vision-mxnet-") as folder:
                names = list(extract_archive(path, Path(folder), _max_size(max_bytes), max_bytes))
                return _read(Path(folder), path, names, max_bytes, epoch)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    raise UserError(f"{path} does not exist; give a model.tar.gz of SageMaker or a folder with its files")


def _max_size(max_bytes: int) -> Callable[[str], int | None]:
    def max_size_of(name: str) -> int | None:
        if name.endswith(".params"):
            return max_bytes
        if name in (SHAPES_FILE, SETTINGS_FILE):
            return MAX_SIDE_FILE_BYTES
        return MAX_SYMBOL_BYTES if name.endswith(SYMBOL_SUFFIX) else None

    return max_size_of


def _read(folder: Path, shown: Path, names: Iterable[str], max_bytes: int, epoch: int | None) -> MXNetFiles:
    names = list(names)
    remarks: list[str] = []
    symbol = _choose_symbol(shown, names, remarks)
    params, found_epoch = _choose_params(shown, symbol.removesuffix(SYMBOL_SUFFIX), names, epoch, remarks)
    if (folder / params).stat().st_size > max_bytes:
        raise DataError(params, f"is larger than {max_bytes} bytes, the most that is allowed")
    return MXNetFiles(
        name=str(shown),
        graph=read_symbol(folder / symbol),
        arrays=_without_kind(read_params(folder / params), params),
        epoch=found_epoch,
        data_shape=_data_shape(folder / SHAPES_FILE) if SHAPES_FILE in names else None,
        settings=_settings(folder / SETTINGS_FILE) if SETTINGS_FILE in names else {},
        remarks=tuple(remarks),
    )


def _choose_symbol(shown: Path, names: list[str], remarks: list[str]) -> str:
    symbols = [name for name in names if name.endswith(SYMBOL_SUFFIX) and "/" not in name]
    if not symbols:
        held = ", ".join(name[:60] for name in names[:5]) or "nothing"
        raise UserError(
            f"{shown} holds no network of MXNet (it holds {held}); at its root there must be a *{SYMBOL_SUFFIX} and"
            f" its -NNNN.params, as SageMaker's containers, save_checkpoint and Gluon's export write them"
        )
    # A graph for deployment is made from the training graph and may have other settings for the detections.
    symbols.sort(key=lambda name: ("deploy" in name, name))
    if len(symbols) > 1:
        remarks.append(f"Of the networks {', '.join(symbols[:5])} the first is imported; name another file to take it.")
    return symbols[0]


def _choose_params(
    shown: Path, prefix: str, names: list[str], epoch: int | None, remarks: list[str]
) -> tuple[str, int]:
    """The .params file of the network and its epoch: of its own prefix, or of any if there is none such."""
    found: dict[str, dict[int, str]] = {}
    for name in names:
        match = _PARAMS.fullmatch(name)
        if match and "/" not in name:
            found.setdefault(match["prefix"], {})[int(match["epoch"])] = name
    if prefix not in found and len(found) == 1:
        prefix = next(iter(found))
    epochs = found.get(prefix, {})
    if not epochs:
        held = ", ".join(name[:60] for name in names if name.endswith(".params")) or "no .params file"
        raise UserError(
            f"{shown} holds {held[:200]} beside {prefix}{SYMBOL_SUFFIX}, but {prefix}-NNNN.params is needed:"
            f" name the weights so (-0000.params, say)"
        )
    chosen = max(epochs) if epoch is None else epoch
    if chosen not in epochs:
        listed = ", ".join(map(str, sorted(epochs)[:20]))
        raise UserError(f"{shown} has no weights of epoch {chosen}; it has those of epoch {listed}: give epoch=N")
    if len(epochs) > 1 and epoch is None:
        remarks.append(f"Of {len(epochs)} epochs the latest, {chosen}, is imported; give epoch=N for another.")
    return epochs[chosen], chosen


def _without_kind(stored: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Drop ``arg:`` and ``aux:``, which only repeat what the graph says."""
    arrays: dict[str, np.ndarray] = {}
    for full, array in stored.items():
        kind, colon, rest = full.partition(":")
        short = rest if colon and kind in ("arg", "aux") else full
        if short in arrays:
            raise DataError(name, f"has {short[:80]!r} both as an argument and as an auxiliary state")
        arrays[short] = array
    return arrays


def _data_shape(path: Path) -> tuple[int, ...] | None:
    """Of ``[{"name": "data", "shape": [N, 3, H, W]}]``; None if there is no such entry."""
    entries = _json(path)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == "data":
            shape = entry.get("shape")
            if isinstance(shape, list) and len(shape) == 4 and all(type(size) is int and size > 0 for size in shape):
                return tuple(shape)
            raise DataError(path.name, f"expected the shape of 'data' as [N, C, H, W], found {str(shape)[:80]}")
    return None


def _settings(path: Path) -> dict[str, str]:
    settings = _json(path)
    if not isinstance(settings, dict):
        raise DataError(path.name, "expected an object of hyperparameters by name")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}


def _json(path: Path) -> object:
    with open_regular(path) as file:
        data = file.read(MAX_SIDE_FILE_BYTES + 1)
    if len(data) > MAX_SIDE_FILE_BYTES:
        raise DataError(path.name, f"is larger than {MAX_SIDE_FILE_BYTES} bytes, the most that is allowed")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise DataError(path.name, f"is not JSON: {str(problem)[:200]}") from None

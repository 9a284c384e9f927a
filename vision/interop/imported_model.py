"""What an import makes: everything a model folder needs, and sentences about what was decided.

It takes MXNet's arrays for the state dict of a network once it is known which array belongs where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import save_model
from vision.interop.mxnet_files import MXNetFiles
from vision.settings.errors import DataError, UserError


@dataclass(frozen=True)
class ImportOptions:
    """What the files do not say. ``image_shape`` (C, H, W); ``mean`` subtracted from the pixels, 0..255."""

    labels: tuple[str, ...] | None = None
    epoch: int | None = None
    image_shape: tuple[int, int, int] | None = None
    mean: tuple[float, ...] | None = None

    def class_names(self, count: int, shown: str, remarks: list[str]) -> tuple[str, ...]:
        """Return the labels, or numbers in their place and a remark about it. ``shown`` names the model in errors."""
        if self.labels is None:
            remarks.append("The files hold no class names: classes go by their numbers; labels=FILE names them.")
            return tuple(map(str, range(count)))
        if len(self.labels) != count:
            raise UserError(f"labels has {len(self.labels)} names, but {shown} tells {count} classes apart")
        return self.labels


@dataclass(frozen=True)
class ImportedModel:
    """``remarks``: what was decided or assumed, a sentence each."""

    description: ModelDescription
    state_dict: dict[str, Tensor]
    remarks: tuple[str, ...]

    def save(self, folder: Path) -> None:
        """Write an ordinary model folder."""
        save_model(folder, self.description, self.state_dict)


def import_weights(
    network: nn.Module,
    names: Mapping[str, str],
    pairs: Mapping[str, str],
    fixed_gammas: frozenset[str],
    files: MXNetFiles,
) -> dict[str, Tensor]:
    """Return the state dict, float32, of a network that may be on the "meta" device.

    ``names``: state-dict key -> name in the expected graph; ``pairs``: that name -> name in the file. Gammas among
    ``fixed_gammas`` count as 1. Raises DataError naming an array that is missing, of another shape or not finite.
    """
    state = {}
    for key, tensor in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros((), dtype=torch.int64)
            continue
        name = pairs[names[key]]
        array = files.arrays.get(name)
        where = f"{files.name} parameter {name[:80]!r}"
        if array is None:
            raise DataError(where, "is missing in the .params file; copy the whole model again")
        if array.shape != tuple(tensor.shape):
            raise DataError(where, f"has the shape {array.shape}, but the network needs {tuple(tensor.shape)}")
        if array.dtype.kind != "f":
            raise DataError(where, f"is of type {array.dtype}, but weights are floating-point numbers")
        if not np.isfinite(array).all():
            raise DataError(where, "holds values that are not finite: the training diverged, so import another epoch")
        weights = torch.from_numpy(array.astype(np.float32))
        state[key] = torch.ones_like(weights) if name in fixed_gammas else weights
    return state


def unused_arrays(files: MXNetFiles, pairs: Mapping[str, str]) -> list[str]:
    """Return a sentence if the file has arrays that no part of the network takes, else nothing."""
    unused = sorted(set(files.arrays) - set(pairs.values()))
    if not unused:
        return []
    more = f" and {len(unused) - 5} more" if len(unused) > 5 else ""
    return [f"The network does not use {', '.join(name[:60] for name in unused[:5])}{more}, which the file holds."]

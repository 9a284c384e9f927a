"""From MXNet's arrays to the state dict of a network, once it is known which array belongs where."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from vision.interop.mxnet_files import MXNetFiles
from vision.settings.errors import DataError


def import_weights(
    network: nn.Module,
    names: Mapping[str, str],
    pairs: Mapping[str, str],
    fixed_gammas: frozenset[str],
    files: MXNetFiles,
) -> dict[str, Tensor]:
    """State dict float32 of a network that may lie on the "meta" device.

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
    """A sentence if the file has arrays that no part of the network takes."""
    unused = sorted(set(files.arrays) - set(pairs.values()))
    if not unused:
        return []
    more = f" and {len(unused) - 5} more" if len(unused) > 5 else ""
    return [f"The network does not use {', '.join(name[:60] for name in unused[:5])}{more}, which the file holds."]

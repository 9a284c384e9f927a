"""Brings the per-image results of all processes together, each image once."""

from __future__ import annotations

import numpy as np
import torch.distributed as dist

from vision.training.processes import is_one_of_several


def gather_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Join arrays with one row an image over all processes, sorted by ``index``; a repeated image counts once."""
    parts = [arrays]
    if is_one_of_several():
        gathered: list[dict[str, np.ndarray] | None] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, arrays)
        parts = [part for part in gathered if part]
    index = np.concatenate([part["index"] for part in parts])
    _, first = np.unique(index, return_index=True)
    return {name: np.concatenate([part[name] for part in parts])[first] for name in parts[0]}

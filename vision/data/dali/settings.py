"""Where DALI works, and whether it can: the sentences of those runs that cannot have it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from vision.data.dali.draws import is_supported
from vision.data.dataset import ImageDataset
from vision.settings.errors import UserError

_OTHERWISE = "or set run.loader=standard"


@dataclass(frozen=True)
class DaliSettings:
    """``threads`` of the CPU for each training process; ``on_gpu``: JPEGs are decoded and batches made there."""

    threads: int
    on_gpu: bool


def require_dali(dataset: object) -> ImageDataset:
    """The dataset, if DALI is there and can make its batches. Raises UserError."""
    if importlib.util.find_spec("nvidia") is None or importlib.util.find_spec("nvidia.dali") is None:
        raise UserError(
            f"run.loader=dali needs NVIDIA DALI, which is not installed here: pip install 'vision[dali]', {_OTHERWISE}"
        )
    if not isinstance(dataset, ImageDataset):
        raise UserError(
            f"run.loader=dali picks images by number, which Pipe mode does not allow: use File or FastFile mode, "
            f"{_OTHERWISE}"
        )
    if not is_supported(getattr(dataset.transform, "augmentations", ())):
        raise UserError(
            f"run.loader=dali knows the augmentations of image_classification, and this job has others: {_OTHERWISE}"
        )
    if dataset.cache.kind in ("memory", "disk"):
        raise UserError(
            f"run.loader=dali decodes images anew each time, but run.cache is {dataset.cache.kind}: "
            f"set run.cache=none, {_OTHERWISE}"
        )
    return dataset

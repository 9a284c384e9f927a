"""What a run computes on, and by how many processes. Answers without Lightning, and on the CPU without torch."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from vision.settings.counted import counted
from vision.settings.device import VISIBLE, gpu_number
from vision.settings.errors import UserError
from vision.settings.run import RunSettings
from vision.training.processes import processes_here

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


def choose_accelerator(run: RunSettings) -> tuple[str, int]:
    """Return "cuda" or "cpu" and how many processes ``run`` wants on this machine. Raises UserError."""
    gpus = usable_gpus(run.device)
    kind = "cuda" if gpus else "cpu"
    here = processes_here()
    number = gpu_number(run.device)
    if here is not None:
        if number is not None and here > 1:
            raise UserError(
                f"run.device={run.device} is one GPU, but {here} processes work on this machine: give run.device=cuda "
                f"and choose the GPUs by the variable {VISIBLE}"
            )
        return kind, here
    if run.devices is None:
        return kind, gpus if kind == "cuda" and number is None else 1
    if kind == "cuda" and run.devices > gpus:
        raise UserError(
            f"run.devices={run.devices} was asked for, but this machine has {counted(gpus, 'GPU')}; lower run.devices"
        )
    return kind, run.devices


def choose_device(run: RunSettings, setting: str = "run.device") -> torch.device:
    """Return the one device to answer on. Raises UserError if a GPU was asked for and there is none."""
    import torch

    gpus = usable_gpus(run.device, setting)
    return torch.device("cuda", gpu_number(run.device) or 0) if gpus else torch.device("cpu")


def usable_gpus(device: str, setting: str = "run.device") -> int:
    """Return how many GPUs ``device`` lets this process use. Raises UserError, naming the setting, for a missing one.

    Where ``auto`` finds GPUs that PyTorch cannot use, a warning says why.
    """
    if device == "cpu":
        return 0
    gpus = _gpu_count()
    if not gpus:
        reason = why_no_gpu()
        if device != "auto":
            raise UserError(
                f"{setting}={device} was asked for, but torch finds no CUDA GPU here ({reason}); "
                f"use {setting}=cpu or auto"
            )
        if VISIBLE not in os.environ and any(Path("/dev").glob("nvidia[0-9]*")):
            log.warning("this machine has a GPU, but the CPU is used, since torch cannot use it: %s", reason)
    number = gpu_number(device)
    if number is not None and number >= gpus:
        names = "cuda:0" if gpus == 1 else f"cuda:0 to cuda:{gpus - 1}"
        raise UserError(
            f"{setting}={device} was asked for, but there is no such GPU: give {names}"
            + (f", as {VISIBLE}={os.environ[VISIBLE]} counts them" if VISIBLE in os.environ else "")
        )
    return gpus


def _gpu_count() -> int:
    import torch

    with warnings.catch_warnings():
        # What is wrong with a driver is said in a sentence of ours.
        warnings.simplefilter("ignore")
        return torch.cuda.device_count() if torch.cuda.is_available() else 0


def why_no_gpu() -> str:
    """Say why torch finds no GPU, and what to do about it."""
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return f"this PyTorch ({torch.__version__}) is built for the CPU alone; install one that is built for CUDA"
    visible = os.environ.get(VISIBLE)
    if visible is not None and not visible.replace("-1", "").strip(", "):
        return f"the variable {VISIBLE} is {visible!r}, which hides all of them; unset it"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        said = str(error).strip().split("\n")[0].split(". ")[0].rstrip(".")
    else:
        said = "CUDA counts none"
    if "too old" in said:
        return f"{said} for CUDA {torch.version.cuda}, which this PyTorch needs; update NVIDIA's driver"
    if visible is not None:
        return f"the variable {VISIBLE} is {visible!r}, and torch says {said!r}; see nvidia-smi -L for what there is"
    return f"{said}, says torch; nvidia-smi shows whether there is a GPU with a driver"

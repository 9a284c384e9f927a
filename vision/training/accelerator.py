"""What a run computes on, and by how many processes. Answers without Lightning, and on the CPU without torch."""

from __future__ import annotations

from vision.settings.errors import UserError
from vision.settings.run import RunSettings
from vision.training.processes import processes_here


def choose_accelerator(run: RunSettings) -> tuple[str, int]:
    """("cuda" or "cpu", processes on this machine) from ``run.device`` and ``run.devices``. Raises UserError."""
    gpus = 0 if run.device == "cpu" else _gpu_count()
    if run.device == "cuda" and not gpus:
        raise UserError("run.device=cuda was asked for, but torch finds no CUDA GPU here; use run.device=cpu or auto")
    kind = "cuda" if gpus and run.device != "cpu" else "cpu"
    here = processes_here()
    if here is not None:
        return kind, here
    if run.devices is None:
        return kind, gpus if kind == "cuda" else 1
    if kind == "cuda" and run.devices > gpus:
        raise UserError(f"run.devices={run.devices} was asked for, but there are {gpus} GPUs; lower run.devices")
    return kind, run.devices


def _gpu_count() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0

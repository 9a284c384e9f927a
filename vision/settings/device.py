"""What a network runs on: devices as settings name them, and the cores and GPUs of this process. Needs no torch."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import Field

VISIBLE = "CUDA_VISIBLE_DEVICES"
_PATTERN = r"^(auto|cpu|cuda(:[0-9]{1,3})?)$"
_VALID = "auto, cpu, cuda or a GPU by its number, such as cuda:1"
_NUMBERED = re.compile(r"cuda:([0-9]{1,3})")
# Training in float32: of a core with AVX-512, and of a GPU of the last years; what reading an image takes besides.
_CORE_GFLOPS, _GPU_GFLOPS, _READING_S = 40.0, 10_000.0, 0.0005
# Accelerators that PyTorch supports and this package has not been tested on.
_OTHERS = {
    "mps": "Apple's GPU",
    "xpu": "Intel's GPU",
    "tpu": "Google's TPU",
    "xla": "a device of XLA",
    "hpu": "Intel's Gaudi",
    "npu": "a device that is none of NVIDIA's",
    "vulkan": "a device of Vulkan",
}


def device_field() -> Any:
    """Return the field ``device`` of a table of settings."""
    return Field(
        default="auto",
        pattern=_PATTERN,
        description="auto takes a GPU if there is one; cuda:1 is the second of several",
        examples=["cuda"],
        json_schema_extra={"note": _VALID},
    )


def gpu_number(device: str) -> int | None:
    """Return the number in ``cuda:1``, which counts the GPUs that this process may use; None for any other setting."""
    found = _NUMBERED.fullmatch(device)
    return int(found[1]) if found else None


def device_hint(noun: str, value: object) -> str | None:
    """Return a sentence if ``value`` names an unsupported accelerator, else None. ``noun`` says whose setting it is."""
    name = str(value).strip().lower().partition(":")[0]
    if name not in _OTHERS:
        return None
    return (
        f"{noun} device is {str(value).strip()}, {_OTHERS[name]}, but only the CPU and CUDA's GPUs are supported: give"
        f" {_VALID}."
    )


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shared_gpus(device: str) -> list[str]:
    """Return the GPUs to divide among processes, as CUDA_VISIBLE_DEVICES names them; none for cpu and ``cuda:1``.

    They are found without CUDA, which takes seconds to load.
    """
    if device not in ("auto", "cuda"):
        return []
    chosen = os.environ.get(VISIBLE)
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    found = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
    return [str(index) for index in range(len([name for name in found if name.isdigit()]))]


@dataclass(frozen=True)
class Machine:
    """What training may use: ``cores``, whether a GPU, and the folder of weights that the settings name."""

    cores: int
    has_gpu: bool
    weights_folder: Path | None = None

    def images_per_s(self, gflops_per_image: float) -> float:
        """Return about how many images a second training takes, by the work of one forward pass.

        A step is three of them. Rates are those of convolutions in float32 as they were measured, to a factor of two.
        """
        gflops = _GPU_GFLOPS if self.has_gpu else _CORE_GFLOPS * self.cores
        return 1 / (3 * gflops_per_image / gflops + _READING_S)


def this_machine(device: str = "auto", weights_folder: Path | None = None) -> Machine:
    """Return what training with ``device`` would probably use, judged without torch."""
    has_gpu = device != "cpu" and bool(shared_gpus("auto")) and not version("torch").endswith("+cpu")
    return Machine(usable_cores(), has_gpu, weights_folder)

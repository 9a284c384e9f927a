"""What a network runs on: devices as settings name them, and the cores and GPUs of this process. Needs no torch."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import Field

VISIBLE = "CUDA_VISIBLE_DEVICES"
_PATTERN = r"^(auto|cpu|cuda(:[0-9]{1,3})?)$"
_VALID = "auto, cpu, cuda or a GPU by its number, such as cuda:1"
_NUMBERED = re.compile(r"cuda:([0-9]{1,3})")
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

"""What a network runs on, as settings name it: auto, cpu, cuda, or one GPU by its number. Needs no torch."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

_PATTERN = r"^(auto|cpu|cuda(:[0-9]{1,3})?)$"
_VALID = "auto, cpu, cuda or a GPU by its number, such as cuda:1"
_NUMBERED = re.compile(r"cuda:([0-9]{1,3})")
# Accelerators that PyTorch has a name for, and this package has not been tried on.
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
    """The field of a table of settings."""
    return Field(
        default="auto",
        pattern=_PATTERN,
        description="auto takes a GPU if there is one; cuda:1 is the second of several",
        examples=["cuda"],
        json_schema_extra={"note": _VALID},
    )


def gpu_number(device: str) -> int | None:
    """The GPU that ``cuda:1`` names, as CUDA counts those that this process may use; None for any other setting."""
    found = _NUMBERED.fullmatch(device)
    return int(found[1]) if found else None


def device_hint(noun: str, value: object) -> str | None:
    """A sentence for the names of accelerators that are not supported. ``noun`` says whose setting it is."""
    name = str(value).strip().lower().partition(":")[0]
    if name not in _OTHERS:
        return None
    return (
        f"{noun} device is {str(value).strip()}, {_OTHERS[name]}, but only the CPU and CUDA's GPUs are supported: give"
        f" {_VALID}."
    )

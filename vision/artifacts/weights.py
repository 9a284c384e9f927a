"""Weights as safetensors: tensors by name and nothing that could run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from vision.settings.errors import UserError
from vision.settings.regular_file import open_regular

MAX_HEADER_BYTES = 16 * 2**20
"""ResNet-200 has about 1,000 tensors, and 100 bytes of header for each."""


def encode_weights(state_dict: Mapping[str, Tensor]) -> bytes:
    """Return the bytes of a file; the same for the same values, whatever their device and memory format."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state_dict.items()}
    return safetensors.torch.save(tensors)


def check_weights(path: Path, sha256: str, max_bytes: int, shown: str) -> None:
    """Raise UserError unless the file is there, of an allowed size and has the digest. ``shown`` names it."""
    if not path.is_file():
        raise UserError(f"{shown} is missing, but model.json names it; copy the whole model folder again")
    size = path.stat().st_size
    if size > max_bytes:
        raise UserError(f"{shown} has {size} bytes, and at most {max_bytes} are allowed")
    with open_regular(path) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise UserError(
            f"{shown} is damaged or was replaced: its SHA-256 is {found} and model.json says {sha256}; "
            f"copy the whole model folder again"
        )


def read_weights(path: Path, shown: str) -> dict[str, Tensor]:
    """Return the tensors, on the CPU; the caller must check their names and shapes. ``shown`` names the file."""
    with open_regular(path) as file:
        data = file.read()
    header_bytes = int.from_bytes(data[:8], "little")
    if header_bytes > MAX_HEADER_BYTES:
        raise UserError(
            f"{shown} is not a safetensors file: its header would have {header_bytes} bytes, "
            f"and at most {MAX_HEADER_BYTES} are allowed"
        )
    try:
        return safetensors.torch.load(data)
    # The library and torch raise many kinds of error on bytes that are wrong; all of them mean the same here.
    except Exception as error:
        raise UserError(f"{shown} is not a safetensors file that can be read: {str(error)[:200]}") from error

"""Weights in and out, and files that are not weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from vision.artifacts.weights import check_weights, encode_weights, read_weights
from vision.settings.errors import UserError


def safetensors_bytes(header: object, data: bytes = b"") -> bytes:
    """The format by its specification: length, JSON header, data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3),
        torch.tensor([1.5, float("nan"), float("inf")], dtype=torch.float16),
        torch.tensor([0.1], dtype=torch.bfloat16),
        torch.tensor(7),
        torch.zeros(0, 4),
        torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
        torch.arange(6.0).reshape(2, 3).t(),
        torch.ones(2, requires_grad=True),
    ],
    ids=lambda tensor: f"{tensor.dtype}-{list(tensor.shape)}",
)
def test_round_trip(tmp_path: Path, tensor: torch.Tensor) -> None:
    path = tmp_path / "w"
    path.write_bytes(encode_weights({"a": tensor}))
    read = read_weights(path, "w")["a"]
    assert read.dtype == tensor.dtype
    assert torch.equal(read.nan_to_num(9), tensor.detach().nan_to_num(9))


def test_bytes_depend_on_values_only() -> None:
    images = torch.randn(2, 3, 4, 5)
    same = {"b": images.to(memory_format=torch.channels_last), "a": torch.ones(1)}
    assert encode_weights({"a": torch.ones(1), "b": images}) == encode_weights(same)


def test_reads_what_the_specification_says(tmp_path: Path) -> None:
    header = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    (tmp_path / "w").write_bytes(safetensors_bytes(header, b"\0\0\x80\x3f\0\0\0\xc0"))
    assert read_weights(tmp_path / "w", "w")["a"].tolist() == [1.0, -2.0]


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("case", "data"),
    [
        ("empty", b""),
        ("pickle", b"\x80\x04\x95\x0b\0\0\0\0\0\0\0"),
        ("zip", b"PK\x03\x04" + bytes(60)),
        ("header of exabytes", b"\xff" * 8 + b"{}"),
        ("header longer than the file", (1000).to_bytes(8, "little") + b"{}"),
        ("header is no JSON", safetensors_bytes(b"{{{")),
        ("header is a list", safetensors_bytes([])),
        ("deep header", safetensors_bytes(b'{"a":' + b"[" * 10**5)),
        ("data cut short", safetensors_bytes({"a": ONE}, b"\0\0")),
        ("data left over", safetensors_bytes({"a": ONE}, bytes(8))),
        ("overlap", safetensors_bytes({"a": ONE, "b": ONE}, bytes(4))),
        ("shape beyond the data", safetensors_bytes({"a": {**ONE, "shape": [2**40]}}, bytes(4))),
        ("shape that overflows", safetensors_bytes({"a": {**ONE, "shape": [2**33, 2**33]}}, bytes(4))),
        ("negative shape", safetensors_bytes({"a": {**ONE, "shape": [-1]}}, bytes(4))),
        ("unknown type", safetensors_bytes({"a": {**ONE, "dtype": "F33"}}, bytes(4))),
        ("huge empty shape", safetensors_bytes({"a": {**ONE, "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}})),
    ],
)
def test_refuses(tmp_path: Path, case: str, data: bytes) -> None:
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(UserError, match="the file is not a safetensors file"):
        read_weights(tmp_path / "w", "the file")


def test_checks_digest_size_and_presence(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(b"abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    check_weights(path, digest, 3, "w")
    for name, expected, max_bytes, words in (
        ("w", digest, 2, "has 3 bytes, and at most 2 are allowed"),
        ("w", "0" * 64, 3, f"its SHA-256 is {digest} and model.json says 0000"),
        ("missing", digest, 3, "w is missing, but model.json names it"),
    ):
        with pytest.raises(UserError, match=words):
            check_weights(tmp_path / name, expected, max_bytes, "w")

"""What MXNet computed: its parameter files, read here by a few lines of their own (mxnet-facts 3.1, 3.2)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vision.nn.mxnet_names import mxnet_names

MXNET = Path(__file__).parents[1] / "fixtures" / "mxnet"


def read_params(path: Path) -> dict[str, Tensor]:
    """The arrays of a version-2 file of dense float32 arrays, by name, without "arg:" and "aux:"."""
    data, offset = path.read_bytes(), 0

    def take(form: str) -> tuple[int, ...]:
        nonlocal offset
        values = struct.unpack_from("<" + form, data, offset)
        offset += struct.calcsize("<" + form)
        return values

    arrays, names = [], []
    _, _, count = take("QQQ")
    for _ in range(count):
        magic, storage, ndim = take("Iii")
        shape = take(f"{ndim}q")
        _, _, dtype = take("iii")
        assert (magic, storage, dtype) == (0xF993FAC9, 0, 0)
        size = int(np.prod(shape))
        arrays.append(torch.from_numpy(np.frombuffer(data, "<f4", size, offset).reshape(shape).copy()))
        offset += 4 * size
    take("Q")
    for _ in range(count):
        (length,) = take("Q")
        names.append(data[offset : offset + length].decode().partition(":")[2])
        offset += length
    return dict(zip(names, arrays, strict=True))


@pytest.fixture(scope="session")
def mxnet_folder() -> Path:
    return MXNET


@pytest.fixture(scope="session")
def load_mxnet() -> Callable[[nn.Module, Path], dict[str, Tensor]]:
    """Copies a parameter file into a network; gives back the arrays by MXNet's names."""

    def load(network: nn.Module, path: Path) -> dict[str, Tensor]:
        arrays = read_params(path)
        network.load_state_dict({key: arrays[name] for key, name in mxnet_names(network).items()})
        return arrays

    return load


@pytest.fixture(scope="session")
def ssd_images() -> Callable[[str], Tensor]:
    """Input of a narrow SSD, "vgg16" or "resnet50": float [2,3,300,300], mean subtracted (123, 117, 104)."""

    def images(base: str) -> Tensor:
        pixels = np.load(MXNET / f"model_ssd300_{base}_narrow" / "image_uint8_nhwc_rgb.npy")
        centred = torch.from_numpy(pixels).float() - torch.tensor([123.0, 117.0, 104.0])
        return centred.permute(0, 3, 1, 2).contiguous()

    return images

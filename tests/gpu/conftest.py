"""The device that the tests of this folder try: a GPU where there is one, else the CPU, which tries the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from tests.api.conftest import channels  # noqa: F401

# Set by scripts/test.sh gpu.
ALL_VARIABLE = "VISION_GPU_TESTS"
FOLDER = "tests/gpu/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(FOLDER):
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session")
def device() -> torch.device:
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


@pytest.fixture
def gpu(device: torch.device) -> torch.device:
    """The same for tests that have no counterpart on a CPU."""
    if device.type != "cuda":
        pytest.skip("needs a GPU")
    return device


@pytest.fixture
def _costly(device: torch.device) -> None:
    """Of tests that take long on a CPU, where others see to what they check: only ``scripts/test.sh gpu`` runs them."""
    if device.type == "cpu" and not os.environ.get(ALL_VARIABLE):
        pytest.skip("takes long without a GPU: scripts/test.sh gpu runs it")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Global switches of torch, which trainers set, and what a test before has left in the GPU's memory."""
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    cudnn = (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = cudnn
    if torch.cuda.is_available():
        torch.cuda.set_sync_debug_mode("default")
        torch.cuda.empty_cache()

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.server_process import ServerProcess
from tests.serving.small_model import write_model


@pytest.fixture(scope="package")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("serving") / "model")


@pytest.fixture(scope="package")
def server(model_folder: Path) -> Iterator[ServerProcess]:
    """One model in one process, which says on stderr what it imports."""
    settings = ("max_payload_mb=1", "max_images=8", "max_pixels=4000000")
    with ServerProcess(model_folder, *settings, python=("-X", "importtime")) as process:
        yield process

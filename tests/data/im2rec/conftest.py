from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vision.data.readers.recordio import RecordIOReader

MXNET = Path(__file__).parents[2] / "fixtures" / "mxnet"


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """The .lst of a fixture that MXNet packed, alone in a folder, and the folder of the images it names."""

    def unpack(name: str) -> tuple[Path, Path]:
        lst = tmp_path / "packed" / f"{name}.lst"
        lst.parent.mkdir(exist_ok=True)
        shutil.copy(MXNET / f"{name}.lst", lst)
        reader = RecordIOReader([MXNET / f"{name}.rec"])
        for index, line in enumerate(lst.read_text().splitlines()):
            image = tmp_path / "images" / line.split("\t")[-1]
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(reader[index].encoded)
        return lst, tmp_path / "images"

    return unpack

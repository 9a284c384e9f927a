from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image


def picture(shade: int = 0) -> bytes:
    """PNG of 4x3 grey pixels."""
    buffer = io.BytesIO()
    Image.new("L", (4, 3), shade).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[Mapping[str, str | bytes | None]], Path]:
    """Writes files below a fresh folder and returns it; None as content makes a picture, each of its own shade."""

    def write(files: Mapping[str, str | bytes | None]) -> Path:
        for shade, (name, content) in enumerate(files.items()):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = picture(shade) if content is None else content
            path.write_bytes(data.encode() if isinstance(data, str) else data)
        return tmp_path

    return write

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from vision.data.convert.annotated_image import AnnotatedImage
from vision.data.convert.conversion import Converted, convert
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS
from vision.data.skipped import Skipped


def png(width: int = 8, height: int = 6, shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), shade % 256).save(buffer, "PNG")
    return buffer.getvalue()


def output_in(folder: Path, target: str) -> Path:
    """Where a data set of this format is written."""
    suffixes = FORMATS[target].suffixes
    return folder / f"out{suffixes[0]}" if suffixes else folder


def converted(path: Path, origin: str, target: str, folder: Path, images: str = "copy", **options: object) -> Converted:
    source = FORMATS[origin].source(path, SourceOptions(**options))  # type: ignore[arg-type]
    return convert(source, target, output_in(folder, target), images, 1, lambda count: None)


def images_of(path: Path, form: str, **options: object) -> tuple[list[AnnotatedImage], list[str]]:
    """Every image of a data set, and what could not be read."""
    skipped = Skipped()
    source = FORMATS[form].source(path, SourceOptions(**options))  # type: ignore[arg-type]
    return list(source.images(skipped)), skipped.sentences


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes files below a fresh folder, texts or bytes, and returns it."""

    def write_files(files: dict[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / "in"

    return write_files

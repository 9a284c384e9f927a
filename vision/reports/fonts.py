"""The font of everything that is drawn with pixels."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from PIL import ImageFont


def font(size_px: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along on every platform, with Greek, Cyrillic and accents."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")), size_px)

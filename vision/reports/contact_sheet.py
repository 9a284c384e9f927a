"""Small pictures of examples, and one sheet with all of a gallery. Truth is green, prediction red."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vision.metrics.evaluation import Box, Example, Gallery
from vision.reports import fonts
from vision.reports.heat_overlay import with_heat
from vision.reports.labels import printable

TRUTH, PREDICTION, NEUTRAL = "#15803d", "#dc2626", "#374151"
BOX_COLORS = {"truth": "#22c55e", "prediction": "#ef4444"}
SIDE_PX, SIDE_WITH_BOXES_PX = 160, 320
GAP_PX, LINE_PX, FONT_PX = 14, 17, 12


def thumbnail(image: np.ndarray, boxes: tuple[Box, ...], side_px: int) -> Image.Image:
    """The image uint8 [H,W,3] RGB with its boxes, its longer side ``side_px``; no blur if it is small."""
    assert image.ndim == 3, image.shape
    assert image.shape[2] == 3, image.shape
    picture = Image.fromarray(np.ascontiguousarray(image, dtype=np.uint8))
    scale = side_px / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.NEAREST if scale > 1.5 else Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        _draw_box(draw, box, size)
    return picture


def contact_sheet(gallery: Gallery, thumbnails: list[Image.Image | None]) -> bytes:
    """A PNG with all thumbnails (None: could not be read) and their captions, in order."""
    side = thumbnail_side_px(gallery)
    columns = min(len(gallery.examples), 8 if side == SIDE_PX else 4)
    rows = -(-len(gallery.examples) // columns)
    cell_width, cell_height = side + GAP_PX, side + 2 * LINE_PX + 2 * GAP_PX
    sheet = Image.new("RGB", (columns * cell_width + GAP_PX, rows * cell_height + GAP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    font = fonts.font(FONT_PX)
    for place, (example, picture) in enumerate(zip(gallery.examples, thumbnails, strict=True)):
        left = GAP_PX + place % columns * cell_width
        top = GAP_PX + place // columns * cell_height
        if picture is None:
            draw.rectangle((left, top, left + side, top + side), fill="#f3f4f6")
            draw.text((left + 8, top + 8), "cannot be read", NEUTRAL, font)
        else:
            corner = (left + (side - picture.width) // 2, top + (side - picture.height) // 2)
            sheet.paste(picture, corner)
            draw.rectangle((left - 1, top - 1, left + side, top + side), outline="#e5e7eb")
        for line, (text, role) in enumerate(caption_parts(example.caption)):
            color = {"truth": TRUTH, "prediction": PREDICTION}.get(role, NEUTRAL)
            draw.text((left, top + side + 5 + line * LINE_PX), _fitting(text, font, side), color, font)
    return png_bytes(sheet)


def thumbnail_side_px(gallery: Gallery) -> int:
    """Boxes and their captions need room, as do pairs of pictures."""
    large = any(example.boxes or example.heat for example in gallery.examples)
    return SIDE_WITH_BOXES_PX if large else SIDE_PX


def make_thumbnail(example: Example, image: np.ndarray | None, side_px: int) -> Image.Image | None:
    """The example's thumbnail, with its heat beside it if it has any, or None if its image could not be read."""
    if image is None:
        return None
    if example.heat is None:
        return thumbnail(image, example.boxes, side_px)
    return with_heat(thumbnail(image, example.boxes, side_px // 2), example.heat)


def caption_parts(caption: str) -> list[tuple[str, str]]:
    """Lines of a caption with their role: ``truth cat / predicted dog 0.98`` is a truth and a prediction."""
    truth, slash, prediction = printable(caption).partition(" / predicted ")
    if not slash:
        return [(truth, "neutral")]
    return [(truth, "truth"), (f"predicted {prediction}", "prediction")]


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as the bytes of a PNG file."""
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=True)
    return written.getvalue()


def jpeg_bytes(picture: Image.Image) -> bytes:
    """The picture as the bytes of a JPEG file, good enough to look at."""
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=88)
    return written.getvalue()


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, size: tuple[int, int]) -> None:
    width, height = size
    xs = sorted(min(max(x, 0.0), 1.0) * (width - 1) for x in (box.xyxy_unit[0], box.xyxy_unit[2]))
    ys = sorted(min(max(y, 0.0), 1.0) * (height - 1) for y in (box.xyxy_unit[1], box.xyxy_unit[3]))
    color = BOX_COLORS[box.role]
    draw.rectangle((xs[0], ys[0], xs[1], ys[1]), outline=color, width=2)
    caption = printable(box.caption)
    if not caption:
        return
    font = fonts.font(11)
    text = _fitting(caption, font, width)
    text_width = font.getlength(text) + 6
    left = min(xs[0], max(0.0, width - text_width))
    # Truth is labelled above its box and the prediction below, so that a good pair stays legible.
    top = ys[0] - 15 if box.role == "truth" else ys[1]
    top = min(max(top, 0.0), height - 15.0)
    draw.rectangle((left, top, left + text_width, top + 14), fill=color)
    draw.text((left + 3, top), text, "white" if box.role == "prediction" else "black", font)


def _fitting(text: str, font: ImageFont.FreeTypeFont, width_px: float) -> str:
    text = text[:200]
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(text + "\u2026") > width_px:
        text = text[:-1]
    return text + "\u2026"

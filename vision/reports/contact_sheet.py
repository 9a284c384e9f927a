"""Small pictures of examples, and one sheet with all of a gallery. Truth is green, prediction red.

Heat is blue where nothing counted, over green and yellow to red where most did.
"""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

from vision.metrics.evaluation import Box, Example, Gallery, Heat, Overlay
from vision.reports.drawing import draw_box, draw_caption, font, png_bytes
from vision.reports.formatting import printable

TRUTH, PREDICTION, NEUTRAL = "#15803d", "#dc2626", "#374151"
BOX_COLORS = {"truth": "#22c55e", "prediction": "#ef4444"}
SIDE_PX, SIDE_WITH_BOXES_PX = 160, 320
GAP_PX, LINE_PX, FONT_PX = 14, 17, 12
HEAT_OPACITY = 0.5


def thumbnail(image: np.ndarray, boxes: tuple[Box, ...], side_px: int) -> Image.Image:
    """Return the image uint8 [H, W, 3] RGB with its boxes, its longer side ``side_px``; no blur if it is small."""
    assert image.ndim == 3, image.shape
    assert image.shape[2] == 3, image.shape
    picture = Image.fromarray(np.ascontiguousarray(image, dtype=np.uint8))
    scale = side_px / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.NEAREST if scale > 1.5 else Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        _draw_example_box(draw, box)
    return picture


def contact_sheet(gallery: Gallery, thumbnails: list[Image.Image | None]) -> bytes:
    """Return a PNG with all thumbnails (None: could not be read) and their captions, in order."""
    side = thumbnail_side_px(gallery)
    columns = min(len(gallery.examples), 8 if side == SIDE_PX else 4)
    rows = -(-len(gallery.examples) // columns)
    cell_width, cell_height = side + GAP_PX, side + 2 * LINE_PX + 2 * GAP_PX
    sheet = Image.new("RGB", (columns * cell_width + GAP_PX, rows * cell_height + GAP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    letters = font(FONT_PX)
    for place, (example, picture) in enumerate(zip(gallery.examples, thumbnails, strict=True)):
        left = GAP_PX + place % columns * cell_width
        top = GAP_PX + place // columns * cell_height
        if picture is None:
            draw.rectangle((left, top, left + side, top + side), fill="#f3f4f6")
            draw.text((left + 8, top + 8), "cannot be read", NEUTRAL, letters)
        else:
            corner = (left + (side - picture.width) // 2, top + (side - picture.height) // 2)
            sheet.paste(picture, corner)
            draw.rectangle((left - 1, top - 1, left + side, top + side), outline="#e5e7eb")
        for line, (text, role) in enumerate(caption_parts(example.caption)):
            color = {"truth": TRUTH, "prediction": PREDICTION}.get(role, NEUTRAL)
            draw.text((left, top + side + 5 + line * LINE_PX), _fitting(text, letters, side), color, letters)
    return png_bytes(sheet)


def thumbnail_side_px(gallery: Gallery) -> int:
    """Return the longer side of each thumbnail, in pixels."""
    large = any(example.needs_room for example in gallery.examples)
    return SIDE_WITH_BOXES_PX if large else SIDE_PX


def make_thumbnail(example: Example, image: np.ndarray | None, side_px: int) -> Image.Image | None:
    """Return the example's thumbnail, or None if its image could not be read.

    Heat or overlays lie on pictures of their own, to the right of the plain one and below.
    """
    if image is None:
        return None
    if example.heat is None and not example.overlays:
        return thumbnail(image, example.boxes, side_px)
    picture = thumbnail(image, example.boxes, side_px // 2)
    if example.heat is not None:
        return _in_pairs([picture, under_heat(picture, example.heat)])
    return _in_pairs([picture, *(under_overlay(picture, overlay) for overlay in example.overlays)])


def under_heat(picture: Image.Image, heat: Heat) -> Image.Image:
    """Return the picture in grey under the heat; outside the heat's window it stays as it is."""
    left, top, right, bottom = (
        round(min(max(edge, 0.0), 1.0) * side)
        for edge, side in zip(heat.window_xyxy_unit, picture.size * 2, strict=True)
    )
    size = (max(1, right - left), max(1, bottom - top))
    cells = Image.fromarray(np.ascontiguousarray(heat.cells, dtype=np.float32))
    smooth = np.asarray(cells.resize(size, Image.Resampling.BILINEAR))
    # Without the ends of the scale, which are nearly black.
    colors = Image.fromarray((colormaps["turbo"](0.1 + 0.8 * smooth)[..., :3] * 255).round().astype(np.uint8))
    found = picture.copy()
    window = picture.crop((left, top, left + size[0], top + size[1])).convert("L").convert("RGB")
    found.paste(Image.blend(window, colors, HEAT_OPACITY), (left, top))
    return found


def under_overlay(picture: Image.Image, overlay: Overlay) -> Image.Image:
    """Return the picture under the overlay, whose cells keep sharp edges."""
    assert overlay.rgba.dtype == np.uint8, overlay.rgba.dtype
    cells = Image.fromarray(np.ascontiguousarray(overlay.rgba), "RGBA")
    scale = min(whole / part for whole, part in zip(picture.size, cells.size, strict=True))
    # A small copy of a whole mask is up to a cell too short, as its sides are whole numbers.
    width, height = (
        whole if whole - part * scale <= scale else max(1, round(part * scale))
        for whole, part in zip(picture.size, cells.size, strict=True)
    )
    laid = Image.new("RGBA", picture.size)
    corner = ((picture.width - width) // 2, (picture.height - height) // 2)
    laid.paste(cells.resize((width, height), Image.Resampling.NEAREST), corner)
    return Image.alpha_composite(picture.convert("RGBA"), laid).convert("RGB")


def _in_pairs(pictures: list[Image.Image]) -> Image.Image:
    """Put pictures of one size side by side, two in a row."""
    width, height = pictures[0].size
    sheet = Image.new("RGB", (2 * width, -(-len(pictures) // 2) * height))
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % 2 * width, place // 2 * height))
    return sheet


def caption_parts(caption: str) -> list[tuple[str, str]]:
    """Return the lines of a caption with their role: ``truth cat / predicted dog 0.98`` is a truth and a prediction."""
    truth, slash, prediction = printable(caption).partition(" / predicted ")
    if not slash:
        return [(truth, "neutral")]
    return [(truth, "truth"), (f"predicted {prediction}", "prediction")]


def _draw_example_box(draw: ImageDraw.ImageDraw, box: Box) -> None:
    color = BOX_COLORS[box.role]
    left, top, _, bottom = draw_box(draw, box.xyxy_unit, color, line_px=2)
    if not box.caption:
        return
    letters = font(11)
    width, height = draw.im.size
    # Truth is labeled above its box and the prediction below, so that a good pair stays legible.
    place = min(max(top - 15 if box.role == "truth" else bottom, 0.0), height - 15.0)
    text = _fitting(printable(box.caption), letters, width)
    ink = "white" if box.role == "prediction" else "black"
    draw_caption(draw, (left, place), text, letters, height_px=14, inset_px=0, plate=color, ink=ink)


def _fitting(text: str, letters: ImageFont.FreeTypeFont, width_px: float) -> str:
    text = text[:200]
    if letters.getlength(text) <= width_px:
        return text
    while text and letters.getlength(text + "\u2026") > width_px:
        text = text[:-1]
    return text + "\u2026"

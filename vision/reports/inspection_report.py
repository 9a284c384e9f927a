"""The page of an inspection: what a data set holds, what is wrong with it, with pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vision.data.inspect.inspection import channel_json
from vision.data.inspect.issues import InspectedChannel, Inspection, Issue, Place
from vision.data.masks.mask_tint import tint
from vision.files.atomic_file import write_whole
from vision.metrics.evaluation import Box, Example, Gallery, Overlay, Table
from vision.reports import page as html
from vision.reports.contact_sheet import make_thumbnail, thumbnail_side_px
from vision.reports.drawing import jpeg_bytes

MOST_PICTURES = 24

# Image of a record by channel and index, uint8 [H, W, 3] RGB; None if it cannot be read.
ImageOf = Callable[[str, int], "np.ndarray | None"]
# Mask of its upright image, uint8 [H, W]; None where the label is none or cannot be used.
MaskOf = Callable[[str, int], "np.ndarray | None"]


def write_inspection_page(path: Path, inspection: Inspection, title: str, image_of: ImageOf, mask_of: MaskOf) -> None:
    """Write one self-contained HTML file. An image with a mask is shown twice: as it is, and under its mask."""
    sections = [html.Section("Findings", html.table_html(_issues_table(inspection)))]
    sections += [html.Section("Settings that fit", html.table_html(_settings_table(inspection)))]
    for channel in inspection.channels:
        sections += _channel_sections(channel)
    sections += [_gallery_section(issue, image_of, mask_of) for issue in inspection.issues if issue.groups]
    warnings = len(inspection.issues) - inspection.errors
    document = html.page(
        title=title,
        subtitle=", ".join(f"{channel.name} {len(channel):,} images" for channel in inspection.channels),
        tiles=[
            html.Tile("errors", str(inspection.errors)),
            html.Tile("warnings", str(warnings)),
            *(html.Tile(f"images in {channel.name}", f"{len(channel):,}") for channel in inspection.channels),
        ],
        notes=[issue.sentence for issue in inspection.issues if issue.severity == "error"],
        sections=sections,
    )
    write_whole(path, document.encode(errors="replace"))


def _issues_table(inspection: Inspection) -> Table:
    rows = tuple((f.severity, f.code.replace("_", " "), f.count, f.sentence) for f in inspection.issues)
    return Table("Findings", ("", "what", "count", "in words"), rows)


def _settings_table(inspection: Inspection) -> Table:
    return Table("Settings that fit", ("setting", "value", "why"), inspection.settings)


def _channel_sections(channel: InspectedChannel) -> list[html.Section]:
    document = channel_json(channel)
    counted = "boxes" if channel.task == "boxes" else "images"
    total = max(int(channel.class_counts.sum()), 1)
    classes = tuple((entry["name"], entry["count"], entry["count"] / total) for entry in document["classes"])
    sizes = tuple((f"{size['width']}x{size['height']}", size["count"]) for size in document["sizes_px"])
    kinds = tuple(document["kinds"].items())
    tables = [
        Table(f"Classes of {channel.name}", ("class", counted, "share"), classes, shares=("share",)),
        Table(f"Numbers of {channel.name}", ("what", *_quantile_names(document)), _quantile_rows(document)),
        Table(f"Frequent sizes of {channel.name}", ("pixels", "images"), sizes),
        Table(f"Formats and modes of {channel.name}", ("kind", "images"), kinds),
    ]
    return [html.Section(table.title, html.table_html(table), narrow=True) for table in tables]


def _quantile_names(document: dict[str, Any]) -> tuple[str, ...]:
    return tuple(document["width_px"])


def _quantile_rows(document: dict[str, Any]) -> tuple[tuple[str | int | float | None, ...], ...]:
    names = {"width_px": "image width", "height_px": "image height"}
    box_names = {
        "width_px": "box width",
        "height_px": "box height",
        "aspect_ratio": "box width / height",
        "per_image": "boxes of an image",
    }
    found = [(label, document[key]) for key, label in names.items()]
    found += [(label, document["boxes"].get(key, {})) for key, label in box_names.items() if "boxes" in document]
    return tuple((label, *(f"{value:g}" for value in values.values())) for label, values in found if values)


def _gallery_section(issue: Issue, image_of: ImageOf, mask_of: MaskOf) -> html.Section:
    """Pictures of an issue, those of one group side by side."""
    examples: list[Example] = []
    places: list[Place] = []
    for number, group in enumerate(issue.groups):
        if len(examples) + len(group) > MOST_PICTURES and examples:
            break
        for place in group[:MOST_PICTURES]:
            places.append(place)
            caption = f"{number + 1}: {place.detail}" if len(group) > 1 else place.detail
            boxes = tuple(Box(corners, "", "prediction") for corners in place.boxes)
            mask = mask_of(place.channel, place.index)
            overlays = () if mask is None else (Overlay(tint(mask)),)
            examples.append(Example(place.index, f"{place.channel} {place.key}", caption, boxes, overlays=overlays))
    gallery = Gallery(f"{issue.code.replace('_', ' ')} ({issue.count})", tuple(examples))
    side = thumbnail_side_px(gallery)
    thumbnails = [
        make_thumbnail(example, image_of(place.channel, place.index), side)
        for example, place in zip(examples, places, strict=True)
    ]
    jpegs = [None if picture is None else jpeg_bytes(picture) for picture in thumbnails]
    return html.Section(gallery.title, html.gallery_html(gallery, jpegs))

"""The page of an inspection: what a data set holds, what is wrong with it, with pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vision.algorithms.plan import Recommendation
from vision.data.boxes.object_rows import ObjectRows
from vision.data.inspect.inspection import channel_json
from vision.data.inspect.issues import InspectedChannel, Inspection, Issue, Place
from vision.data.masks.mask_tint import tint
from vision.files.atomic_file import write_whole
from vision.metrics.evaluation import Box, Example, Gallery, Overlay, Table
from vision.reports import page as html
from vision.reports.contact_sheet import make_thumbnail, thumbnail_side_px
from vision.reports.drawing import jpeg_bytes
from vision.reports.figures import histogram
from vision.settings.counted import counted

MOST_PICTURES = 24
# Rows of the table of an issue; inspection.json has all.
MOST_ROWS = 200
# Classes that are shown in pictures, the pictures of each, and the boxes of a picture.
MOST_CLASSES, MOST_OF_CLASS, MOST_BOXES = 20, 8, 10
# With no more different sides the table of frequent sizes says all.
MOST_EQUAL = 3

# Image of a record by channel and index, uint8 [H, W, 3] RGB; None if it cannot be read.
ImageOf = Callable[[str, int], "np.ndarray | None"]
# Mask of its upright image, uint8 [H, W]; None where the label is none or cannot be used.
MaskOf = Callable[[str, int], "np.ndarray | None"]


def write_inspection_page(
    path: Path,
    inspection: Inspection,
    settings: Sequence[Recommendation],
    title: str,
    image_of: ImageOf,
    mask_of: MaskOf,
) -> None:
    """Write one self-contained HTML file. An image with a mask is shown twice: as it is, and under its mask.

    ``settings`` are those that training on the data would choose.
    """
    sections = [html.Section("Findings", html.table_html(_issues_table(inspection)))]
    if settings:
        chosen = Table("What vision train chooses", ("setting", "value", "why"), tuple(settings))
        sections.append(html.Section(chosen.title, html.table_html(chosen)))
    for channel in inspection.channels:
        sections += _channel_sections(channel)
        sections += _picture_sections(channel, image_of, mask_of)
    sections += [_gallery_section(issue, image_of, mask_of) for issue in inspection.issues if issue.groups]
    warnings = len(inspection.issues) - inspection.errors
    document = html.page(
        title=title,
        subtitle=", ".join(f"{channel.name} {counted(len(channel), 'image')}" for channel in inspection.channels),
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


def rows_table(issue: Issue) -> Table:
    """Return all rows of an issue as a table."""
    columns = tuple(dict.fromkeys(name for row in issue.rows for name in row))
    rows = tuple(tuple(row.get(name) for name in columns) for row in issue.rows)
    shares = ("share",) if "share" in columns else ()
    return Table(f"{issue.code.replace('_', ' ')} ({issue.count})".capitalize(), columns, rows, shares=shares)


def _channel_sections(channel: InspectedChannel) -> list[html.Section]:
    document = channel_json(channel)
    noun = "boxes" if channel.task == "boxes" else "images"
    total = max(int(channel.class_counts.sum()), 1)
    classes = tuple((entry["name"], entry["count"], entry["count"] / total) for entry in document["classes"])
    sizes = tuple((f"{size['width']}x{size['height']}", size["count"]) for size in document["sizes_px"])
    kinds = tuple(document["kinds"].items())
    tables = [
        Table(f"Classes of {channel.name}", ("class", noun, "share"), classes, shares=("share",)),
        Table(f"Numbers of {channel.name}", ("what", *_quantile_names(document)), _quantile_rows(document)),
        Table(f"Frequent sizes of {channel.name}", ("pixels", "images"), sizes),
        Table(f"Formats and modes of {channel.name}", ("kind", "images"), kinds),
    ]
    histograms = "".join(html.picture_html(png, title) for title, png in _size_histograms(channel).items())
    sections = [html.Section(table.title, html.table_html(table), narrow=True) for table in tables if table.rows]
    if histograms:
        sections.append(html.Section(f"Sizes of {channel.name}", f'<div class="panels">{histograms}</div>'))
    return sections


def _size_histograms(channel: InspectedChannel) -> dict[str, bytes]:
    """Draw how large images and boxes are, in pixels; nothing of what all have alike."""
    sound = channel.sizes_px[channel.sizes_px[:, 0] > 0]
    sides = {"images": {"width": sound[:, 0], "height": sound[:, 1]}}
    image, rows = channel.objects()
    if rows is not None:
        boxes = (rows.boxes_xyxy_unit[:, 2:] - rows.boxes_xyxy_unit[:, :2]) * channel.sizes_px[image]
        sides["boxes"] = {"width": boxes[:, 0], "height": boxes[:, 1]}
    return {
        f"sizes of {what}": histogram(series, "pixels", what)
        for what, series in sides.items()
        if len(np.unique(np.concatenate(list(series.values())))) > MOST_EQUAL
    }


def _picture_sections(channel: InspectedChannel, image_of: ImageOf, mask_of: MaskOf) -> list[html.Section]:
    """Return a section with some pictures of each class, of many classes the most frequent."""
    shown = np.argsort(-channel.class_counts, kind="stable")[:MOST_CLASSES]
    held: dict[float, list[int]] = {class_id: [] for class_id in shown[channel.class_counts[shown] > 0].tolist()}
    for index, label in enumerate(channel.labels):
        for number in held.keys() & _classes(label):
            held[number].append(index)
    body = ""
    for class_id, indices in held.items():
        chosen = np.unique(np.linspace(0, len(indices) - 1, min(MOST_OF_CLASS, len(indices))).round().astype(int))
        places = []
        for index in (indices[at] for at in chosen.tolist()):
            boxes = _boxes(channel.labels[index], class_id)
            places.append((Place(channel.name, index, f"record {index}", boxes=boxes), ""))
        name = channel.class_name(int(class_id))
        gallery, jpegs = _pictures(f"{name} of {channel.name}", places, image_of, mask_of)
        body += html.folded_html(
            f"{name}: {counted(len(indices), 'image')}", html.gallery_html(gallery, jpegs), is_open=True
        )
    return [html.Section(f"Classes of {channel.name} in pictures", body)] if body else []


def _classes(label: tuple[int, ...] | ObjectRows | None) -> set[float]:
    """Return the classes of an image's label; those of boxes are numbers of any kind."""
    return set(label.class_ids.tolist() if isinstance(label, ObjectRows) else label or ())


def _boxes(
    label: tuple[int, ...] | ObjectRows | None, class_id: float
) -> tuple[tuple[float, float, float, float], ...]:
    """Return the boxes of a class in an image, at most as many as do not hide it."""
    if not isinstance(label, ObjectRows):
        return ()
    rows = label.boxes_xyxy_unit[label.class_ids == class_id][:MOST_BOXES].tolist()
    return tuple((left, top, right, bottom) for left, top, right, bottom in rows)


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
    return tuple(
        (label, *(f"{value:.0f}" if value >= 100 else f"{value:.3g}" for value in values.values()))
        for label, values in found
        if values
    )


def _gallery_section(issue: Issue, image_of: ImageOf, mask_of: MaskOf) -> html.Section:
    """Pictures of an issue, those of one group side by side."""
    captioned: list[tuple[Place, str]] = []
    for number, group in enumerate(issue.groups):
        if len(captioned) + len(group) > MOST_PICTURES and captioned:
            break
        for place in group[:MOST_PICTURES]:
            captioned.append((place, f"{number + 1}: {place.detail}" if len(group) > 1 else place.detail))
    gallery, jpegs = _pictures(f"{issue.code.replace('_', ' ')} ({issue.count})", captioned, image_of, mask_of)
    table = rows_table(replace(issue, rows=issue.rows[:MOST_ROWS]))
    left_out = f", the first {MOST_ROWS} of {len(issue.rows):,}" if len(issue.rows) > MOST_ROWS else ""
    listed = html.folded_html(f"As a table{left_out}", html.table_html(table)) if issue.rows else ""
    return html.Section(gallery.title, html.gallery_html(gallery, jpegs) + listed)


def _pictures(
    title: str, captioned: Sequence[tuple[Place, str]], image_of: ImageOf, mask_of: MaskOf
) -> tuple[Gallery, list[bytes | None]]:
    """Return the gallery of records with their captions, and its pictures as JPEG."""
    examples = []
    for place, caption in captioned:
        boxes = tuple(Box(corners, "", "prediction") for corners in place.boxes)
        mask = mask_of(place.channel, place.index)
        overlays = () if mask is None else (Overlay(tint(mask)),)
        examples.append(Example(place.index, f"{place.channel} {place.key}", caption, boxes, overlays=overlays))
    gallery = Gallery(title, tuple(examples))
    side = thumbnail_side_px(gallery)
    thumbnails = [
        make_thumbnail(example, image_of(place.channel, place.index), side)
        for example, (place, _) in zip(examples, captioned, strict=True)
    ]
    return gallery, [None if picture is None else jpeg_bytes(picture) for picture in thumbnails]

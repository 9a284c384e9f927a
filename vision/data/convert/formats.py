"""The registry of dataset formats: one line each, in the order in which they are tried on a path."""

from __future__ import annotations

from pathlib import Path

from vision.data.convert import (
    annotation_json,
    coco,
    coco_masks,
    cvat,
    folder,
    label_studio,
    labelme,
    labelme_masks,
    lst,
    manifest,
    manifest_masks,
    masks,
    recordio,
    voc,
    yolo,
    yolo_masks,
)
from vision.data.convert.format import DatasetFormat

FORMATS: dict[str, DatasetFormat] = {
    entry.name: entry
    for entry in (
        folder.FORMAT,
        lst.FORMAT,
        recordio.FORMAT,
        manifest.FORMAT,
        coco.FORMAT,
        voc.FORMAT,
        annotation_json.FORMAT,
        yolo.FORMAT,
        label_studio.FORMAT,
        cvat.FORMAT,
        labelme.FORMAT,
        masks.FORMAT,
        manifest_masks.FORMAT,
        coco_masks.FORMAT,
        labelme_masks.FORMAT,
        yolo_masks.FORMAT,
    )
}
# By the titles of those that a channel reads without a conversion.
CHANNEL_FORMATS = {entry.channel.title: entry for entry in FORMATS.values() if entry.channel is not None}


def recognize(path: Path) -> tuple[str, str] | None:
    """Return the title of the annotated data set that a path holds and what shows it; None if it holds none."""
    for title, entry in CHANNEL_FORMATS.items():
        assert entry.channel is not None
        evidence = entry.channel.recognize(path)
        if evidence is not None:
            return title, evidence
    return None

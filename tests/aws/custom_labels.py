"""Images and manifests for Custom Labels, as a user's bucket holds them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vision.data.sample_data.digits import load_digits, split_digits
from vision.data.sample_data.scenes import draw_scene, encode_jpeg

SIDE_PX = 64
_COMMON = {"human-annotated": "yes", "creation-date": "2026-11-28T10:00:00.000000"}


def one_label(reference: str, *names: str) -> dict[str, Any]:
    """Return a manifest line of an image with labels, each in an attribute of its own."""
    line: dict[str, Any] = {"source-ref": reference}
    for number, name in enumerate(names):
        described = {"confidence": 1, "class-name": name, "type": "groundtruth/image-classification", **_COMMON}
        line |= {f"kind-{number}": 1, f"kind-{number}-metadata": described}
    return line


def boxes(reference: str, side_px: int, found: Iterable[tuple[str, tuple[int, int, int, int]]]) -> dict[str, Any]:
    """Return a manifest line of boxes; ``found`` are names, and left, top, width and height in pixels."""
    pairs = list(found)
    ids = {name: number for number, name in enumerate(sorted({name for name, _ in pairs}))}
    annotations = [
        {"class_id": ids[name], **dict(zip(("left", "top", "width", "height"), sides, strict=True))}
        for name, sides in pairs
    ]
    metadata = {
        "objects": [{"confidence": 1} for _ in pairs],
        "class-map": {str(number): name for name, number in ids.items()},
        "type": "groundtruth/object-detection",
        **_COMMON,
    }
    size = [{"width": side_px, "height": side_px, "depth": 3}]
    return {"source-ref": reference, "bb": {"image_size": size, "annotations": annotations}, "bb-metadata": metadata}


def write_digits(folder: Path, address: str, classes: int, count: int) -> list[dict[str, Any]]:
    """Write ``count`` images of each digit, and return their manifest lines; ``address`` is that of the folder."""
    digits, lines = load_digits(), []
    folder.mkdir(parents=True, exist_ok=True)
    for digit in range(classes):
        for index in np.flatnonzero(digits.labels == digit)[:count].tolist():
            name = f"{digit}-{index}.png"
            large = cv2.resize(digits.grey[index], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / name), large)
            lines.append(one_label(f"{address}/{name}", f"digit {digit}"))
    return lines


def write_scenes(folder: Path, address: str, count: int) -> list[dict[str, Any]]:
    """Write scenes of digits 0 and 1 with boxes, and return their manifest lines."""
    digits, lines = split_digits(load_digits(), 0)["train"], []
    chosen = digits.take(np.flatnonzero(digits.labels < 2))
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        scene = draw_scene(chosen, np.random.default_rng(number))
        (folder / f"{number}.jpg").write_bytes(encode_jpeg(scene.image))
        found = [
            (f"digit {label}", (left, top, right - left, bottom - top))
            for label, (left, top, right, bottom) in zip(
                scene.labels.tolist(), scene.boxes_xyxy_px.tolist(), strict=True
            )
        ]
        lines.append(boxes(f"{address}/{number}.jpg", scene.image.shape[0], found))
    return lines


def manifest(lines: Iterable[Mapping[str, Any]]) -> bytes:
    """Return lines as the bytes of a manifest."""
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()

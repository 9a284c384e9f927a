"""The face model of the user: a detection model in a process of its own, whose boxes are taken for faces."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from vision.aws.failure import ServiceFailure
from vision.aws.logs.log_store import LogStore
from vision.aws.rekognition.hosting import SERVED, TARGET
from vision.aws.rekognition.lazy_worker import LazyWorker
from vision.aws.rekognition.resources import failure
from vision.data.image_codec import decode_rgb
from vision.settings.errors import DataError

# Longest side of what is cut out: networks see less.
_SIDE_PX = 512
_ANY_ARN = "arn:aws:rekognition:us-east-1:123456789012:project/faces/version/faces/1"


@dataclass(frozen=True)
class FoundFace:
    """``image`` is the file to search by, in base64; a face has its ``box`` 0..1 and ``confidence`` 0..100."""

    image: str
    box: dict[str, float] | None = None
    confidence: float | None = None

    @property
    def detail(self) -> dict[str, Any]:
        """Return the structure FaceDetail of Rekognition, with what is known."""
        return {"BoundingBox": self.box, "Confidence": self.confidence}


class FaceFinder(LazyWorker):
    """Finds faces and cuts them out."""

    def __init__(self, model: Path, logs: LogStore) -> None:
        super().__init__("face model", (f"model={model}", *SERVED), logs)

    async def find(self, image: str) -> list[FoundFace]:
        """Return the faces in an image file in base64, the largest first. Raises ServiceFailure."""
        body = {"ProjectVersionArn": _ANY_ARN, "Image": {"Bytes": image}}
        headers = {"x-amz-target": TARGET, "content-type": "application/x-amz-json-1.1"}
        answer = await self.ask("POST", "/", headers, json.dumps(body).encode())
        values = json.loads(bytes(answer.body))
        if answer.status != 200:
            raise ServiceFailure(answer.status, values["__type"], values["message"])
        labels = [one for one in values["CustomLabels"] if "Geometry" in one]
        return await asyncio.to_thread(_cut_out, image, labels)


def _cut_out(image: str, labels: list[dict[str, Any]]) -> list[FoundFace]:
    try:
        rgb = decode_rgb(base64.b64decode(image), "the image")
    except DataError as error:
        raise failure("InvalidImageFormatException", str(error)) from None
    height, width = rgb.shape[:2]
    found = []
    for label in labels:
        box = label["Geometry"]["BoundingBox"]
        left, top = (max(0, round(box[side] * size)) for side, size in (("Left", width), ("Top", height)))
        right = min(width, round((box["Left"] + box["Width"]) * width))
        bottom = min(height, round((box["Top"] + box["Height"]) * height))
        cut = rgb[top:bottom, left:right]
        if cut.size == 0:
            continue
        scale = _SIDE_PX / max(cut.shape[:2])
        if scale < 1:
            size = tuple(max(1, round(side * scale)) for side in cut.shape[1::-1])
            cut = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
        file = cv2.imencode(".png", cv2.cvtColor(cut, cv2.COLOR_RGB2BGR))[1].tobytes()
        rounded = {side: round(value, 6) for side, value in box.items()}
        found.append(FoundFace(base64.b64encode(file).decode("ascii"), rounded, label["Confidence"]))
    return sorted(found, key=lambda one: -one.box["Width"] * one.box["Height"] if one.box else 0.0)

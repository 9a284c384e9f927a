"""What a ``DetectCustomLabels`` request asks (Rekognition Custom Labels), read from its JSON and checked."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from vision.data.image_header import BadHeaderError, read_header
from vision.serving.failure import ExceptionByName
from vision.serving.settings import MEBIBYTE
from vision.settings.nearest import shown

# Rekognition's, for DetectCustomLabels with bytes.
MOST_IMAGE_BYTES = 4 * MEBIBYTE
_LONGEST_ARN = 2048
# The body is one long text and few small values; a thousandfold of them is an attack on the parser's memory.
_MOST_JSON_MARKS = 4096


@dataclass(frozen=True)
class LabelRequest:
    """``min_confidence`` 0..100, None for the model's own thresholds; ``max_results`` None for all."""

    arn: str
    image: bytes
    min_confidence: float | None
    max_results: int | None


def read_label_request(body: bytes, max_pixels: int) -> LabelRequest:
    """Check everything but what the image holds. Raises ExceptionByName."""
    values = _json_object(body)
    arn = values.get("ProjectVersionArn")
    if not isinstance(arn, str) or not 0 < len(arn) <= _LONGEST_ARN:
        raise _invalid(f"ProjectVersionArn is {shown(arn)}, but a text of 1 to {_LONGEST_ARN} characters is needed")
    least, most = values.get("MinConfidence"), values.get("MaxResults")
    if least is not None and not (_is_number(least) and 0 <= least <= 100):
        raise _invalid(f"MinConfidence is {shown(least)}, but a number from 0 to 100 is needed")
    if most is not None and not (isinstance(most, int) and _is_number(most) and most >= 0):
        raise _invalid(f"MaxResults is {shown(most)}, but an integer of at least 0 is needed")
    return LabelRequest(arn, _image(values.get("Image"), max_pixels), least, most)


def _image(value: Any, max_pixels: int) -> bytes:
    if not isinstance(value, dict):
        raise _invalid('Image is missing: give {"Bytes": the image file in base64}')
    encoded, s3_object = value.get("Bytes"), value.get("S3Object")
    if s3_object is not None and encoded is not None:
        raise _invalid("Image has both Bytes and S3Object: give Bytes alone")
    if s3_object is not None:
        raise ExceptionByName(
            400,
            "InvalidS3ObjectException",
            "Image.S3Object names an object of a bucket, and this server reads none: send the file as Image.Bytes",
        )
    if not isinstance(encoded, str) or not encoded:
        raise _invalid("Image.Bytes is missing or empty: give the image file in base64")
    try:
        image = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _unreadable(f"Image.Bytes is not base64 ({error})") from None
    if len(image) > MOST_IMAGE_BYTES:
        raise _too_large(f"Image.Bytes has {len(image)} bytes, more than the {MOST_IMAGE_BYTES} that are allowed")
    try:
        header = read_header(image)
    except BadHeaderError:
        # The decoder says what is wrong with it.
        header = None
    if header is not None and header.width * header.height > max_pixels:
        raise _too_large(
            f"Image.Bytes has {header.width}x{header.height} pixels, more than the {max_pixels} that max_pixels allows"
        )
    return image


def _json_object(body: bytes) -> dict[str, Any]:
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_JSON_MARKS:
        raise _unreadable("the body has thousands of values, but a request has five")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _unreadable(f"the body is {shown(body[:40])}, but a JSON object is needed")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _invalid(sentence: str) -> ExceptionByName:
    return ExceptionByName(400, "InvalidParameterException", sentence)


def _too_large(sentence: str) -> ExceptionByName:
    return ExceptionByName(400, "ImageTooLargeException", f"{sentence}; send a smaller image")


def _unreadable(sentence: str) -> ExceptionByName:
    return ExceptionByName(400, "SerializationException", sentence)

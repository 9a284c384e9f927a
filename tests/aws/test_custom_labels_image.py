"""What DetectCustomLabels takes as an image."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vision.aws.failure import ServiceFailure
from vision.aws.rekognition.request_image import RequestImage
from vision.aws.s3.buckets import Buckets


def encoded(width: int, height: int, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, np.zeros((height, width, 3), np.uint8))[1].tobytes()


def as_bytes(image: bytes) -> dict[str, Any]:
    return {"Bytes": base64.b64encode(image).decode()}


def as_object(name: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": "bucket", "Name": name}}


@pytest.fixture
def buckets(tmp_path: Path) -> Buckets:
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket/a.jpg").write_bytes(encoded(64, 4096, ".jpg"))
    # Larger than what may come as bytes.
    (tmp_path / "bucket/large.png").write_bytes(encoded(64, 64) + bytes(5 << 20))
    (tmp_path / "bucket/largest.png").write_bytes(encoded(64, 64) + bytes(15 << 20))
    return Buckets(tmp_path)


@pytest.mark.parametrize("image", [as_bytes(encoded(64, 64)), as_object("a.jpg"), as_object("large.png")])
def test_images_within_the_limits(image: dict[str, Any], buckets: Buckets) -> None:
    assert base64.b64decode(RequestImage.read(image).base64_bytes(buckets))


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ({}, "InvalidParameterException"),
        ({**as_bytes(encoded(64, 64)), **as_object("a.jpg")}, "InvalidParameterException"),
        ({"Bytes": "no base64!"}, "InvalidParameterException"),
        (as_bytes(b"no image"), "InvalidImageFormatException"),
        (as_bytes(encoded(64, 64, ".bmp")), "InvalidImageFormatException"),
        (as_bytes(encoded(64, 64)[:20]), "InvalidImageFormatException"),
        (as_bytes(encoded(63, 64)), "InvalidParameterException"),
        (as_bytes(encoded(64, 4097)), "ImageTooLargeException"),
        (as_bytes(bytes((4 << 20) + 1)), "ImageTooLargeException"),
        (as_object("largest.png"), "ImageTooLargeException"),
        (as_object("none.png"), "InvalidS3ObjectException"),
        (as_object("../bucket/a.jpg"), "InvalidS3ObjectException"),
    ],
)
def test_images_that_no_model_gets(image: dict[str, Any], code: str, buckets: Buckets) -> None:
    with pytest.raises(ServiceFailure) as error:
        RequestImage.read(image).base64_bytes(buckets)
    assert (error.value.status, error.value.code) == (400, code)

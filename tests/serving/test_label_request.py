from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import pytest

from tests.serving.small_model import picture
from vision.serving.label_request import MOST_IMAGE_BYTES, ExceptionByName, LabelRequest, read_label_request

IMAGE = picture(3)
TEXT = base64.b64encode(IMAGE).decode()
MAX_PIXELS = 10_000


def body(**changes: Any) -> bytes:
    values = {"ProjectVersionArn": "arn", "Image": {"Bytes": TEXT}, **changes}
    return json.dumps(values).encode()


def wide_png(width: int, height: int) -> str:
    """The header of a PNG, which declares more than is there."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return base64.b64encode(png).decode()


@pytest.mark.parametrize(
    ("changes", "least", "most"),
    [
        ({}, None, None),
        ({"MinConfidence": 0, "MaxResults": 0}, 0, 0),
        ({"MinConfidence": 100, "MaxResults": 3}, 100, 3),
        ({"MinConfidence": 62.5, "Other": [1]}, 62.5, None),
        ({"MinConfidence": None, "MaxResults": None}, None, None),
        ({"Image": {"Bytes": TEXT, "S3Object": None}}, None, None),
    ],
)
def test_what_is_asked(changes: dict[str, Any], least: float | None, most: int | None) -> None:
    assert read_label_request(body(**changes), MAX_PIXELS) == LabelRequest("arn", IMAGE, least, most)


@pytest.mark.parametrize(
    ("content", "kind", "part"),
    [
        (b"", "SerializationException", "a JSON object is needed"),
        (b"\xff\xfe", "SerializationException", "a JSON object is needed"),
        (b"[]", "SerializationException", "a JSON object is needed"),
        (b"[" * 100_000, "SerializationException", "thousands of values"),
        (b'{"a":[' + b"0," * 100_000 + b"0]}", "SerializationException", "thousands of values"),
        (b'{"MaxResults":' + b"9" * 100_000 + b"}", "SerializationException", "a JSON object is needed"),
        (b"{}", "InvalidParameterException", "ProjectVersionArn is None"),
        (body(ProjectVersionArn=""), "InvalidParameterException", "ProjectVersionArn is ''"),
        (body(ProjectVersionArn="a" * 2049), "InvalidParameterException", "1 to 2048 characters"),
        (body(ProjectVersionArn=[1]), "InvalidParameterException", "ProjectVersionArn is [1]"),
        (body(MinConfidence=-0.1), "InvalidParameterException", "MinConfidence is -0.1"),
        (body(MinConfidence=100.5), "InvalidParameterException", "MinConfidence is 100.5"),
        (body(MinConfidence=float("nan")), "InvalidParameterException", "MinConfidence is nan"),
        (body(MinConfidence=10**4000), "InvalidParameterException", "MinConfidence is 1000"),
        (body(MinConfidence="50"), "InvalidParameterException", "MinConfidence is '50'"),
        (body(MinConfidence=True), "InvalidParameterException", "MinConfidence is True"),
        (body(MaxResults=-1), "InvalidParameterException", "MaxResults is -1"),
        (body(MaxResults=1.5), "InvalidParameterException", "MaxResults is 1.5"),
        (body(MaxResults=True), "InvalidParameterException", "MaxResults is True"),
        (body(Image=None), "InvalidParameterException", "Image is missing"),
        (body(Image=TEXT), "InvalidParameterException", "Image is missing"),
        (body(Image={}), "InvalidParameterException", "Image.Bytes is missing"),
        (body(Image={"Bytes": ""}), "InvalidParameterException", "Image.Bytes is missing"),
        (body(Image={"Bytes": TEXT, "S3Object": {"Name": "a"}}), "InvalidParameterException", "give Bytes alone"),
        (body(Image={"S3Object": {"Bucket": "b", "Name": "k"}}), "InvalidS3ObjectException", "send the file as"),
        (body(Image={"Bytes": "abc"}), "SerializationException", "is not base64"),
        (body(Image={"Bytes": "ab*d"}), "SerializationException", "is not base64"),
        (body(Image={"Bytes": "\u20ac" * 4}), "SerializationException", "is not base64"),
        (body(Image={"Bytes": "A" * (MOST_IMAGE_BYTES // 3 * 4 + 8)}), "ImageTooLargeException", "4194304"),
        (body(Image={"Bytes": wide_png(101, 100)}), "ImageTooLargeException", "101x100 pixels, more than the 10000"),
    ],
)
def test_what_is_refused(content: bytes, kind: str, part: str) -> None:
    with pytest.raises(ExceptionByName) as caught:
        read_label_request(content, MAX_PIXELS)
    assert (caught.value.status, caught.value.kind) == (400, kind)
    assert part in caught.value.sentence


def test_deep_nesting_is_refused() -> None:
    """Before it is parsed or, in Pythons that parse so deep, for what it lacks."""
    with pytest.raises(ExceptionByName) as caught:
        read_label_request(b'{"a":' * 3000 + b"1" + b"}" * 3000, MAX_PIXELS)
    assert caught.value.status == 400


def test_bytes_that_are_no_image_are_left_to_the_decoder() -> None:
    assert read_label_request(body(Image={"Bytes": "AAAA"}), MAX_PIXELS).image == bytes(3)

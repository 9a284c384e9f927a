"""Images with names in the body of a request: ``{"images": [{"name": NAME, "bytes": the file in base64}]}``."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from vision.serving.request_failure import RequestFailure
from vision.settings.nearest import shown
from vision.settings.strict_json import parse_json

LONGEST_NAME = 1024
_SHAPE = '{"images": [{"name": NAME, "bytes": the image file in base64}]}'


@dataclass(frozen=True)
class NamedImage:
    """An encoded image and the name by which an index knows it."""

    name: str
    encoded: bytes | memoryview

    @classmethod
    def of(cls, encoded: bytes | memoryview, name: str | None) -> NamedImage:
        """Check a name; without one, the SHA-256 of the bytes is it. Raises RequestFailure 400."""
        if name is None:
            return cls(hashlib.sha256(encoded).hexdigest(), encoded)
        if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
            raise RequestFailure(
                400, f"the name of an image is {shown(name)}, but 1 to {LONGEST_NAME} printable characters are needed"
            )
        return cls(name, encoded)


def named_images(body: bytes, max_images: int) -> list[NamedImage]:
    """Return the images of a body, each with another name. Raises RequestFailure 400 or 413."""
    items = _list(body, "images", _SHAPE)
    if len(items) > max_images:
        raise RequestFailure(413, f"the body has {len(items)} images, but max_images allows {max_images}: send several")
    images = [_image(item) for item in items]
    if len({image.name for image in images}) < len(images):
        raise RequestFailure(400, "two images of the body have the same name: give each its own")
    return images


def names_in(body: bytes) -> list[str]:
    """Return the names in a body ``{"names": [NAME, ...]}``. Raises RequestFailure 400."""
    shape = '{"names": [NAME, ...]}'
    items = _list(body, "names", shape)
    names = [item for item in items if isinstance(item, str)]
    if len(names) < len(items):
        raise RequestFailure(400, f"a name in the body is not a text, but {shape} is needed")
    return names


def _image(item: object) -> NamedImage:
    if not isinstance(item, dict):
        raise RequestFailure(400, f"an image of the body is {shown(item)}, but {_SHAPE} is needed")
    name, encoded = item.get("name"), item.get("bytes")
    if not isinstance(encoded, str) or not isinstance(name, str | None):
        raise RequestFailure(400, f"name and bytes of an image must be texts: {_SHAPE}")
    try:
        return NamedImage.of(base64.b64decode(encoded, validate=True), name)
    except (binascii.Error, ValueError) as error:
        raise RequestFailure(400, f"the bytes of image {shown(name)} are not base64 ({error})") from None


def _list(body: bytes, key: str, shape: str) -> list[object]:
    try:
        value = parse_json(body)
    except ValueError as error:
        raise RequestFailure(400, f"the body is {error}; {shape} is needed") from None
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list) or not found:
        raise RequestFailure(400, f"the body is {shown(body[:40])}, but {shape} is needed")
    return found

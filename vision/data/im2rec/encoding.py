"""Make the payload of a record from one line of a .lst file: the image as it is, or cropped, resized and re-encoded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vision.data.containers.image_parts import ImageBody, ImageHeader
from vision.data.image_codec import check_image, decode_rgb
from vision.data.labels import task_of
from vision.data.readers.file_table import MAX_FILE_BYTES
from vision.data.readers.image_list import parse_list_line
from vision.data.recordio.record import pack
from vision.settings.errors import DataError
from vision.settings.regular_file import open_regular

# What OpenCV calls decoding at a half, a quarter, an eighth, by its flags for gray and for color.
_REDUCED = {0: {2: 16, 4: 32, 8: 64}, 1: {2: 17, 4: 33, 8: 65}}


@dataclass(frozen=True)
class PackOptions:
    """How to pack, with the names and meanings of MXNet's options.

    ``root`` holds the images. ``resize`` is the shorter edge in pixels, 0 for none. ``quality`` is JPEG's 1..100 or
    PNG's compression 1..9. ``color`` is OpenCV's flag: 1 color, 0 gray, -1 unchanged. ``pack_label`` None decides
    by the line. ``fast_decode`` decodes JPEGs that ``resize`` shrinks to a half or less at a fraction of their
    size: faster, but other pixels than MXNet's.
    """

    root: str
    pass_through: bool = False
    resize: int = 0
    center_crop: bool = False
    quality: int = 95
    color: int = 1
    encoding: str = ".jpg"
    pack_label: bool | None = None
    fast_decode: bool = False


class CannotPackError(ValueError):
    """A line without a record; the message continues a sentence that begins with the line's place."""


def payload_of_line(text: str, options: PackOptions) -> tuple[int, bytes]:
    """Return id and payload of the record of one line. Raises CannotPackError."""
    try:
        record_id, labels, path = parse_list_line(text)
    except ValueError as error:
        raise CannotPackError(str(error)) from None
    label = chosen_label(labels, options.pack_label)
    encoded = read_image_file(options.root, path)
    try:
        image = encoded if options.pass_through else _reencode(encoded, options)
    except CannotPackError as problem:
        raise CannotPackError(f"image {path!r} {problem}") from None
    return record_id, pack(label, record_id, image)


def chosen_label(labels: Sequence[float], pack_label: bool | None) -> float | Sequence[float]:
    """Return the number or the vector to pack. Raises CannotPackError if that is not clear.

    Without ``pack_label``, boxes and 0/1 columns are packed as vectors, since their first number alone means nothing.
    """
    if len(labels) == 1 or pack_label is False:
        return labels[0]
    if pack_label or task_of(np.array(labels)) is not None:
        return labels
    raise CannotPackError(
        f"has {len(labels)} labels that are neither boxes (header width, object width, objects) nor a 0/1 column for "
        "each class: give --pack-label to pack them all, or --no-pack-label to keep the first"
    )


def read_image_file(root: str, path: str) -> bytes:
    """Return the bytes of an image file below ``root``. Raises CannotPackError."""
    full = os.path.join(root, path)
    if os.path.isabs(path) or ".." in path.split("/"):
        full = os.path.normpath(full)
        if not full.startswith(root.rstrip("/") + "/"):
            raise CannotPackError(f"has the path {path!r}, which leaves {root}: give a ROOT that holds all images")
    try:
        with open_regular(full) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise CannotPackError(f"names {path!r}, which has {size} bytes, more than {MAX_FILE_BYTES}")
            encoded = file.read(size)
    except OSError as error:
        raise CannotPackError(f"names {path!r}, which cannot be read below {root} ({error.strerror})") from None
    except ValueError as error:
        if isinstance(error, CannotPackError):
            raise
        raise CannotPackError(f"names {path!r}, which cannot be read below {root} (no file name)") from None
    if not _ends_well(encoded):
        try:
            _checked(encoded)
        except CannotPackError as problem:
            raise CannotPackError(f"image {path!r} {problem}") from None
    return encoded


def _ends_well(encoded: bytes) -> bool:
    """Return whether start and end are those of a complete JPEG or PNG: most headers need not be parsed."""
    if encoded.startswith(b"\xff\xd8\xff"):
        return encoded.endswith(b"\xff\xd9")
    return encoded.startswith(b"\x89PNG\r\n\x1a\n") and encoded[-8:-4] == b"IEND"


def _checked(encoded: bytes) -> tuple[ImageHeader, ImageBody]:
    try:
        return check_image(encoded, "")
    except DataError as problem:
        raise CannotPackError(f"cannot be used: {problem.reason}") from None


def _reencode(encoded: bytes, options: PackOptions) -> bytes:
    header, body = _checked(encoded)
    image = _decode(encoded, header, body, options)
    if options.center_crop:
        image = _center_square(image)
    if options.resize:
        image = cv2.resize(image, resized_px(image.shape[1], image.shape[0], options.resize))
    parameters = [cv2.IMWRITE_JPEG_QUALITY, options.quality]
    if options.encoding == ".png":
        parameters = [cv2.IMWRITE_PNG_COMPRESSION, min(options.quality, 9)]
    try:
        done, written = cv2.imencode(options.encoding, image, parameters)
    except cv2.error:
        done = False
    if not done:
        raise CannotPackError(f"cannot be encoded as {options.encoding}: choose the other --encoding or --color=1")
    return written.tobytes()


def _decode(encoded: bytes, header: ImageHeader, body: ImageBody, options: PackOptions) -> np.ndarray:
    """Return the pixels, uint8 [H, W, 3] BGR or [H, W] gray."""
    if header.format in ("AVIF", "HEIC"):
        # What MXNet's OpenCV does not know is read as everywhere here.
        try:
            rgb = decode_rgb(encoded, "")
        except DataError as problem:
            raise CannotPackError(f"cannot be used: {problem.reason}") from None
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY if options.color == 0 else cv2.COLOR_RGB2BGR)
    flag = _REDUCED.get(options.color, {}).get(_reduction(header, options), options.color)
    try:
        image = cv2.imdecode(np.frombuffer(body.encoded, np.uint8), flag)
    except cv2.error:
        image = None
    if image is None:
        raise CannotPackError(f"is a {header.format} that is damaged or of a kind that cannot be decoded")
    return image


def _reduction(header: ImageHeader, options: PackOptions) -> int:
    """Return the factor, 1 to 8, by which a JPEG can be reduced while decoding and still reach the requested size."""
    if not options.fast_decode or not options.resize or header.format != "JPEG":
        return 1
    edge = min(header.width, header.height)
    return next((by for by in (8, 4, 2) if edge // by >= options.resize), 1)


def resized_px(width: int, height: int, shorter: int) -> tuple[int, int]:
    """Return (width, height) whose shorter edge is ``shorter``; the other is rounded down."""
    return (shorter, height * shorter // width) if height > width else (width * shorter // height, shorter)


def _center_square(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]

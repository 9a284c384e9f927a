"""The image of a Rekognition call: bytes, or an object of a bucket, within the service's limits."""

from __future__ import annotations

import base64
import binascii

from vision.aws.rekognition.resources import S3Object, failure, reading_object
from vision.aws.request_shape import RequestShape
from vision.aws.s3.buckets import Buckets
from vision.data.image_header import BadHeaderError, read_header
from vision.data.inspect.ground_truth_line import LEAST_SIDE_PX, MOST_SIDE_PX

# As bytes in calls of Custom Labels and of collections, and as an object.
MOST_BYTES, MOST_FACE_BYTES, MOST_OBJECT_BYTES = 4 << 20, 5 << 20, 15 << 20
_FORMATS = ("JPEG", "PNG")


class RequestImage(RequestShape):
    """One of two ways to give an image."""

    bytes: str | None = None
    s3_object: S3Object | None = None

    def base64_bytes(self, buckets: Buckets, most_bytes: int = MOST_BYTES) -> str:
        """Return the image file in base64; given as bytes it has ``most_bytes`` at most. Raises ServiceFailure."""
        if (self.bytes is None) == (self.s3_object is None):
            raise failure("InvalidParameterException", "Image needs either Bytes or S3Object")
        if self.s3_object is not None:
            image = _read(buckets, self.s3_object)
            _check(image, MOST_OBJECT_BYTES)
            return base64.b64encode(image).decode("ascii")
        assert self.bytes is not None
        try:
            _check(base64.b64decode(self.bytes, validate=True), most_bytes)
        except (binascii.Error, ValueError) as error:
            raise failure("InvalidParameterException", f"Image.Bytes is not base64 ({error})") from None
        return self.bytes


def _read(buckets: Buckets, place: S3Object) -> bytes:
    with reading_object(), buckets.existing(place.bucket, place.name).open("rb") as file:
        return file.read(MOST_OBJECT_BYTES + 1)


def _check(image: bytes, most_bytes: int) -> None:
    """Raise ServiceFailure for a file that this call does not take; only its header is read."""
    if len(image) > most_bytes:
        raise failure("ImageTooLargeException", f"the image has more than {most_bytes >> 20} MiB: send a smaller one")
    try:
        header = read_header(image)
    except BadHeaderError as error:
        raise failure("InvalidImageFormatException", f"the image {error}") from None
    if header is None or header.format not in _FORMATS:
        raise failure("InvalidImageFormatException", "the image is neither a JPEG nor a PNG file")
    size = f"the image has {header.width}x{header.height} pixels"
    if max(header.width, header.height) > MOST_SIDE_PX:
        raise failure("ImageTooLargeException", f"{size}, and {MOST_SIDE_PX} is the most on a side: send a smaller one")
    if min(header.width, header.height) < LEAST_SIDE_PX:
        raise failure("InvalidParameterException", f"{size}, and {LEAST_SIDE_PX} is the least on a side")

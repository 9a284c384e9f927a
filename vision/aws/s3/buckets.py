"""Buckets as folders: the object ``s3://bucket/key`` is the plain file ``root/bucket/key``.

No key leads out of its bucket, neither by its segments nor through a link.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from vision.aws.failure import ServiceFailure
from vision.settings.nearest import shown

# Also keeps every name that starts with a dot from being a bucket: the server's own folder is one.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MOST_KEY_BYTES = 1024
_MOST_SEGMENT_BYTES = 255
_URI = re.compile(r"s3://([^/]+)/?(.*)", re.DOTALL)


class Buckets:
    """The buckets below ``root``: each folder with a bucket's name is one, whoever made it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Return the names of all buckets in order."""
        with os.scandir(self.root) as entries:
            return sorted(entry.name for entry in entries if _is_bucket_name(entry.name) and entry.is_dir())

    def create(self, name: str) -> bool:
        """Create a bucket and return False if it exists already. Raises ServiceFailure for a bad name."""
        if not _is_bucket_name(name):
            raise ServiceFailure(
                400,
                "InvalidBucketName",
                f"bucket name {shown(name)} is not allowed: take 3 to 63 small letters, digits, dots and hyphens, with"
                " a letter or digit at both ends",
            )
        try:
            (self.root / name).mkdir()
        except FileExistsError:
            return False
        return True

    def folder(self, name: str) -> Path:
        """Return the folder of an existing bucket. Raises ServiceFailure."""
        folder = self.root / name
        if not _is_bucket_name(name) or not folder.is_dir():
            raise ServiceFailure(404, "NoSuchBucket", f"bucket {shown(name)} does not exist; create it first")
        return folder

    def remove(self, name: str) -> None:
        """Remove an empty bucket. Raises ServiceFailure."""
        try:
            self.folder(name).rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise ServiceFailure(
                409, "BucketNotEmpty", f"bucket {shown(name)} still holds objects: delete them first"
            ) from error

    def path(self, bucket: str, key: str) -> Path:
        """Return the path of an object that may or may not exist; a key that ends in "/" is a folder's.

        Raises ServiceFailure if there is no such bucket, or for a key that no file of the bucket can have.
        """
        folder = self.folder(bucket)
        _check_key(key)
        path = folder / key
        # A link is followed only within the bucket.
        inside = os.path.realpath(folder)
        if not f"{os.path.realpath(path)}/".startswith(f"{inside}/"):
            raise ServiceFailure(
                403, "AccessDenied", f"key {shown(key)} is a link that leads out of bucket {bucket}: copy the file here"
            )
        return path

    def existing(self, bucket: str, key: str) -> Path:
        """Return the path of an object that exists. Raises ServiceFailure."""
        path = self.path(bucket, key)
        if not (path.is_dir() if key.endswith("/") else path.is_file()):
            raise ServiceFailure(404, "NoSuchKey", f"bucket {bucket} holds no key {shown(key)}")
        return path

    def check_output(self, bucket: str, prefix: str) -> None:
        """Check that objects can be made below a prefix, before hours of work for them. Raises ServiceFailure."""
        folder = self.folder(bucket)
        if not prefix.rstrip("/"):
            return
        place = self.path(bucket, f"{prefix.rstrip('/')}/")
        while place != folder:
            if place.is_file():
                key = place.relative_to(folder).as_posix()
                raise ServiceFailure(
                    400, "InvalidArgument", f"key {shown(key)} is an object, so it holds no others: give another prefix"
                )
            place = place.parent


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``; the key may be empty. Raises ValueError."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise ValueError(f"{shown(uri)} is not of the form s3://bucket/key")
    return found[1], found[2]


def _is_bucket_name(name: str) -> bool:
    return _BUCKET.fullmatch(name) is not None and ".." not in name


def _check_key(key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ServiceFailure(400, "InvalidArgument", f"key {shown(key)} is not UTF-8 text") from None
    segments = key.removesuffix("/").split("/")
    if size > _MOST_KEY_BYTES or any(len(part.encode()) > _MOST_SEGMENT_BYTES for part in segments):
        raise ServiceFailure(
            400,
            "KeyTooLongError",
            f"key {shown(key)} is too long: at most {_MOST_KEY_BYTES} bytes, {_MOST_SEGMENT_BYTES} between slashes",
        )
    if "\0" in key or any(part in ("", ".", "..") for part in segments):
        raise ServiceFailure(
            400,
            "InvalidArgument",
            f"key {shown(key)} cannot be a file's name here: it may hold no NUL, and no part between slashes may be "
            "empty, '.' or '..'",
        )

"""Uploads in parts: the parts gather in the server's own folder, and the last call makes one object of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vision.aws.failure import ServiceFailure
from vision.settings.nearest import shown

_ID = re.compile(r"[0-9a-f]{32}")
_ABOUT = "about.json"
MOST_PARTS = 10_000


@dataclass(frozen=True)
class Part:
    """A part that has come. ``etag`` is the MD5 of its bytes."""

    number: int
    etag: str
    size: int
    modified_s: float


@dataclass(frozen=True)
class Upload:
    """An upload that has begun; ``headers`` come back with the object."""

    folder: Path
    bucket: str
    key: str
    headers: dict[str, str]

    @property
    def id(self) -> str:
        return self.folder.name

    def keep(self, staged: Path, number: int, etag: str) -> None:
        """Take a whole part in, in the place of an earlier one of its number. Raises ServiceFailure."""
        if not 1 <= number <= MOST_PARTS:
            raise ServiceFailure(
                400, "InvalidArgument", f"partNumber is {number}, but parts are numbered from 1 to {MOST_PARTS}"
            )
        try:
            # The name holds what must change with the bytes.
            os.replace(staged, self.folder / f"{number}.{etag}")
        except FileNotFoundError:
            raise no_such_upload(self.id) from None
        for path in self.folder.glob(f"{number}.*"):
            if path.name != f"{number}.{etag}":
                path.unlink(missing_ok=True)

    def parts(self) -> list[Part]:
        """Return the parts that have come, by their number."""
        found = []
        for path in self.folder.iterdir():
            number, _, etag = path.name.partition(".")
            if number.isdecimal() and etag:
                status = path.stat()
                found.append(Part(int(number), etag, status.st_size, status.st_mtime))
        return sorted(found, key=lambda part: part.number)

    def join(self, wanted: list[tuple[int, str]], target: Path) -> str:
        """Write the parts (number, ETag) one after the other into ``target`` and return the object's ETag."""
        here = {part.number: part.etag for part in self.parts()}
        if [number for number, _ in wanted] != sorted({number for number, _ in wanted}) or not wanted:
            raise ServiceFailure(400, "InvalidPartOrder", "the parts are not named once each in rising order")
        for number, etag in wanted:
            if here.get(number) != etag:
                raise ServiceFailure(
                    400,
                    "InvalidPart",
                    f"part {number} of ETag {shown(etag)} has not come; its ETag is {here.get(number)}",
                )
        with target.open("wb") as whole:
            for number, etag in wanted:
                with (self.folder / f"{number}.{etag}").open("rb") as part:
                    shutil.copyfileobj(part, whole, 1 << 20)
            whole.flush()
            os.fsync(whole.fileno())
        digests = b"".join(bytes.fromhex(etag) for _, etag in wanted)
        return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(wanted)}"

    def remove(self) -> None:
        """Forget the upload and its parts."""
        leaving = self.folder.with_name(f".{self.id}")
        with suppress(OSError):
            # At once, so that a server killed now offers no upload that has lost some of its parts.
            self.folder.rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)


class Uploads:
    """All uploads in parts that have begun and not ended; they outlive the server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # What a killed server was about to begin or to remove.
        for unfinished in folder.glob(".*"):
            shutil.rmtree(unfinished, ignore_errors=True)

    def begin(self, bucket: str, key: str, headers: Mapping[str, str]) -> Upload:
        """Begin an upload and return it."""
        folder = self._folder / uuid.uuid4().hex
        staged = self._folder / f".{folder.name}"
        staged.mkdir()
        about = {"bucket": bucket, "key": key, "headers": dict(headers)}
        (staged / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        staged.rename(folder)
        return Upload(folder, bucket, key, dict(headers))

    def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return the upload of an object. Raises ServiceFailure."""
        upload = self._read(self._folder / upload_id) if _ID.fullmatch(upload_id) else None
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            raise no_such_upload(upload_id)
        return upload

    def of(self, bucket: str) -> list[Upload]:
        """Return the unfinished uploads of a bucket, by key."""
        found = [self._read(folder) for folder in self._folder.iterdir() if _ID.fullmatch(folder.name)]
        mine = [upload for upload in found if upload is not None and upload.bucket == bucket]
        return sorted(mine, key=lambda upload: (upload.key.encode(), upload.id))

    def _read(self, folder: Path) -> Upload | None:
        try:
            about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Upload(folder, about["bucket"], about["key"], about["headers"])


def no_such_upload(upload_id: str) -> ServiceFailure:
    """Return the failure of a call on an upload that never was or has ended."""
    return ServiceFailure(
        404, "NoSuchUpload", f"upload {shown(upload_id)} does not exist for this key: it has ended, or never began"
    )

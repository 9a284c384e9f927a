"""The objects of all buckets: stored whole or not at all, read, copied and deleted."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vision.aws.failure import ServiceFailure
from vision.aws.s3.buckets import Buckets
from vision.aws.s3.multipart import Upload, Uploads
from vision.aws.s3.object_notes import Note, ObjectNotes
from vision.aws.s3.upload_body import UploadBody
from vision.settings.nearest import shown

OWN_FOLDER = ".vision"


@dataclass(frozen=True)
class StoredObject:
    """An object that exists."""

    path: Path
    status: os.stat_result
    note: Note

    @property
    def size(self) -> int:
        """Return the size in bytes; a folder that is an object has none."""
        return 0 if self.path.is_dir() else self.status.st_size


class Storage:
    """Buckets below ``root``; what is not finished gathers in ``root/.vision``, on the same disk."""

    def __init__(self, root: Path) -> None:
        own = root / OWN_FOLDER
        own.mkdir(parents=True, exist_ok=True)
        self.buckets = Buckets(root)
        self.notes = ObjectNotes(own / "objects.sqlite")
        self.uploads = Uploads(own / "uploads")
        self._staging = own / "staging"
        # What a killed server left.
        shutil.rmtree(self._staging, ignore_errors=True)
        self._staging.mkdir()

    def get(self, bucket: str, key: str) -> StoredObject:
        """Return an object. Raises ServiceFailure."""
        path = self.buckets.existing(bucket, key)
        if key.endswith("/") and not self.notes.is_marker(bucket, key):
            raise ServiceFailure(404, "NoSuchKey", f"bucket {bucket} holds no key {shown(key)}")
        status = path.stat()
        return StoredObject(path, status, self.notes.read(bucket, key, status))

    async def put(self, bucket: str, key: str, body: UploadBody, headers: Mapping[str, str]) -> str:
        """Store a client's upload and return its ETag."""
        target = self.buckets.path(bucket, key)
        with self.staged() as staged:
            await _receive(body, staged)
            return await asyncio.to_thread(self._place, staged, target, bucket, key, body.md5, headers)

    async def put_part(self, upload: Upload, number: int, body: UploadBody) -> str:
        """Store a part of an upload and return its ETag."""
        with self.staged() as staged:
            await _receive(body, staged)
            upload.keep(staged, number, body.md5)
        return body.md5

    def copy(self, source: StoredObject, bucket: str, key: str, headers: Mapping[str, str]) -> str:
        """Copy an object and return the copy's ETag."""
        target = self.buckets.path(bucket, key)
        with self.staged() as staged:
            if source.path.is_file():
                shutil.copyfile(source.path, staged)
            return self._place(staged, target, bucket, key, source.note.etag, headers)

    def complete(self, upload: Upload, parts: list[tuple[int, str]]) -> str:
        """Make one object of an upload's parts and return its ETag."""
        target = self.buckets.path(upload.bucket, upload.key)
        with self.staged() as staged:
            etag = upload.join(parts, staged)
            self._place(staged, target, upload.bucket, upload.key, etag, upload.headers)
        upload.remove()
        return etag

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; one that does not exist counts as deleted. Folders that become empty go too."""
        path = self.buckets.path(bucket, key)
        self.notes.forget(bucket, key)
        if not key.endswith("/"):
            # A folder is not the object of this name.
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()
        self._remove_empty(bucket, key.rstrip("/") if key.endswith("/") else key.rpartition("/")[0])

    def delete_bucket(self, bucket: str) -> None:
        """Remove an empty bucket. Raises ServiceFailure."""
        self.buckets.remove(bucket)
        self.notes.forget_bucket(bucket)

    def store(self, staged: Path, bucket: str, key: str) -> str:
        """Make an object of a whole file of this server and return its ETag. Raises ServiceFailure."""
        with staged.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        return self._place(staged, self.buckets.path(bucket, key), bucket, key, digest, {})

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """Yield a new file in the server's own folder, which is gone afterwards unless it was moved."""
        path = self._staging / uuid.uuid4().hex
        path.touch()
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _place(self, staged: Path, target: Path, bucket: str, key: str, etag: str, headers: Mapping[str, str]) -> str:
        """Give a whole file its name in the bucket."""
        try:
            if key.endswith("/"):
                if staged.stat().st_size:
                    raise ServiceFailure(
                        400,
                        "InvalidArgument",
                        f"key {shown(key)} ends in '/' and is a folder here: it cannot hold bytes",
                    )
                target.mkdir(parents=True, exist_ok=True)
            else:
                self._move(staged, target)
        except (NotADirectoryError, FileExistsError, IsADirectoryError):
            raise ServiceFailure(
                400,
                "InvalidArgument",
                f"key {shown(key)} cannot be stored: objects are files here, and a part of the key is an object, or the"
                " key is a folder of objects; take another key",
            ) from None
        self.notes.write(bucket, key, target.stat(), etag, headers)
        return etag

    def _move(self, staged: Path, target: Path) -> None:
        for _ in range(10):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(staged, target)
                return
            except FileNotFoundError:
                # Somebody deleted the last object of the folder in this moment.
                continue
        os.replace(staged, target)

    def _remove_empty(self, bucket: str, folder: str) -> None:
        """Remove folders from ``folder`` upwards as long as they are empty and no objects themselves."""
        while folder and not self.notes.is_marker(bucket, f"{folder}/"):
            try:
                self.buckets.path(bucket, f"{folder}/").rmdir()
            except OSError:
                return
            folder = folder.rpartition("/")[0]


async def _receive(body: UploadBody, staged: Path) -> None:
    with staged.open("wb") as file:
        await body.write_to(file)
        await asyncio.to_thread(_put_on_disk, file)


def _put_on_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())

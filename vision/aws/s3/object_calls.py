"""S3's operations on objects: store, read, copy and delete them, whole or in parts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from vision.aws.failure import ServiceFailure
from vision.aws.s3.bucket_calls import read_small_body
from vision.aws.s3.storage import Storage, StoredObject
from vision.aws.s3.upload_body import UploadBody
from vision.aws.s3.xml import parse_xml, text_of, time_text, xml_response
from vision.settings.nearest import shown
from vision.settings.regular_file import open_regular

_READ_BYTES = 1 << 20
_METADATA = "x-amz-meta-"
_KEPT_HEADERS = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language")
_PLAIN_TYPE = "binary/octet-stream"
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


class ObjectCalls:
    """One method for each operation."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def put(self, request: Request, bucket: str, key: str) -> Response:
        """Store the body, or a copy of the object that x-amz-copy-source names."""
        source = request.headers.get("x-amz-copy-source")
        if source is not None:
            return await self._copy(request, source, bucket, key)
        body = UploadBody(request)
        etag = await self._storage.put(bucket, key, body, _kept_headers(request.headers))
        return Response(headers={"etag": f'"{etag}"', **body.checksums})

    async def _copy(self, request: Request, source: str, bucket: str, key: str) -> Response:
        found = self._source(source)
        replaces = request.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
        headers = _kept_headers(request.headers) if replaces else found.note.headers
        etag = await asyncio.to_thread(self._storage.copy, found, bucket, key, headers)
        moment = self._storage.get(bucket, key).status.st_mtime
        return xml_response("CopyObjectResult", {"LastModified": time_text(moment), "ETag": f'"{etag}"'})

    def _source(self, source: str) -> StoredObject:
        try:
            path = unquote_to_bytes(source.partition("?")[0]).decode()
        except UnicodeDecodeError:
            raise ServiceFailure(400, "InvalidArgument", "x-amz-copy-source is not UTF-8 text") from None
        bucket, _, key = path.removeprefix("/").partition("/")
        return self._storage.get(bucket, key)

    async def get(self, request: Request, bucket: str, key: str) -> Response:
        """Answer GET and HEAD: the object or a range of it."""
        found = await asyncio.to_thread(self._storage.get, bucket, key)
        headers = _answer_headers(found)
        if _is_unchanged(request.headers, found):
            return Response(status_code=304, headers=headers)
        start, end, status = 0, found.size, 200
        asked = request.headers.get("range")
        if asked is not None:
            start, end = _range(asked, found.size)
            status, headers["content-range"] = 206, f"bytes {start}-{end - 1}/{found.size}"
        headers["content-length"] = str(end - start)
        headers |= _asked_headers(request.query_params)
        if request.method == "HEAD" or start == end:
            return Response(status_code=status, headers=headers)
        # Opened now, so that an object deleted in this moment is a sentence and not half an answer.
        file = await asyncio.to_thread(open_regular, found.path)
        return StreamingResponse(_content(file, start, end), status, headers)

    async def delete(self, request: Request, bucket: str, key: str) -> Response:
        await asyncio.to_thread(self._storage.delete, bucket, key)
        return Response(status_code=204)

    async def begin_upload(self, request: Request, bucket: str, key: str) -> Response:
        self._storage.buckets.path(bucket, key)
        upload = self._storage.uploads.begin(bucket, key, _kept_headers(request.headers))
        answer = {"Bucket": bucket, "Key": key, "UploadId": upload.id}
        return xml_response("InitiateMultipartUploadResult", answer)

    async def upload_part(self, request: Request, bucket: str, key: str) -> Response:
        upload = self._storage.uploads.get(bucket, key, request.query_params["uploadId"])
        number = _number(request.query_params["partNumber"], "partNumber")
        if "x-amz-copy-source" in request.headers:
            raise ServiceFailure(501, "NotImplemented", "a part that is copied from an object is not answered here")
        body = UploadBody(request)
        etag = await self._storage.put_part(upload, number, body)
        return Response(headers={"etag": f'"{etag}"', **body.checksums})

    async def list_parts(self, request: Request, bucket: str, key: str) -> Response:
        upload = self._storage.uploads.get(bucket, key, request.query_params["uploadId"])
        after = _number(request.query_params.get("part-number-marker", "0"), "part-number-marker")
        found = [part for part in await asyncio.to_thread(upload.parts) if part.number > after]
        most = min(1000, _number(request.query_params.get("max-parts", "1000"), "max-parts"))
        parts = [
            {
                "PartNumber": part.number,
                "LastModified": time_text(part.modified_s),
                "ETag": f'"{part.etag}"',
                "Size": part.size,
            }
            for part in found[:most]
        ]
        answer = {
            "Bucket": bucket,
            "Key": key,
            "UploadId": upload.id,
            "PartNumberMarker": after,
            "NextPartNumberMarker": found[:most][-1].number if found[:most] else after,
            "MaxParts": most,
            "IsTruncated": len(found) > most,
            "Part": parts,
        }
        return xml_response("ListPartsResult", answer)

    async def complete_upload(self, request: Request, bucket: str, key: str) -> Response:
        upload = self._storage.uploads.get(bucket, key, request.query_params["uploadId"])
        root = parse_xml(await read_small_body(request))
        wanted = [
            (_number(text_of(part, "PartNumber"), "PartNumber"), text_of(part, "ETag").strip('"'))
            for part in root.findall("Part")
        ]
        etag = await asyncio.to_thread(self._storage.complete, upload, wanted)
        answer = {"Location": f"/{bucket}/{key}", "Bucket": bucket, "Key": key, "ETag": f'"{etag}"'}
        return xml_response("CompleteMultipartUploadResult", answer)

    async def abort_upload(self, request: Request, bucket: str, key: str) -> Response:
        upload = self._storage.uploads.get(bucket, key, request.query_params["uploadId"])
        await asyncio.to_thread(upload.remove)
        return Response(status_code=204)


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those headers of an upload that come back with the object."""
    kept = {name: value for name, value in headers.items() if name in _KEPT_HEADERS or name.startswith(_METADATA)}
    if "content-encoding" in kept:
        # aws-chunked is how the body came, not what it is.
        rest = [one.strip() for one in kept["content-encoding"].split(",") if one.strip() != "aws-chunked"]
        kept["content-encoding"] = ",".join(rest)
    return {name: value for name, value in kept.items() if value}


def _asked_headers(query: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that the client wants in the answer. Raises ServiceFailure if one cannot be a header."""
    asked = {}
    for parameter, value in query.items():
        name = parameter.removeprefix("response-")
        if name != parameter and name in (*_KEPT_HEADERS, "expires"):
            if not value.isprintable():
                raise ServiceFailure(400, "InvalidArgument", f"{parameter} is {shown(value)}, which no header can hold")
            asked[name] = value.encode("latin-1", "replace").decode("latin-1")
    return asked


def _answer_headers(found: StoredObject) -> dict[str, str]:
    return {
        "content-type": _PLAIN_TYPE,
        **found.note.headers,
        "etag": f'"{found.note.etag}"',
        "last-modified": format_datetime(_modified(found), usegmt=True),
        "accept-ranges": "bytes",
        # A page of the web may not run what somebody has stored.
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
    }


def _modified(found: StoredObject) -> datetime:
    return datetime.fromtimestamp(int(found.status.st_mtime), UTC)


def _is_unchanged(headers: Mapping[str, str], found: StoredObject) -> bool:
    """Return whether the client has this object; raises ServiceFailure if it insists on another."""
    etags = {found.note.etag, "*"}
    if "if-match" in headers and headers["if-match"].strip('"') not in etags:
        raise ServiceFailure(
            412, "PreconditionFailed", f"If-Match is {shown(headers['if-match'])}; the object is another"
        )
    if "if-none-match" in headers:
        return headers["if-none-match"].strip('"') in etags
    since = headers.get("if-modified-since")
    try:
        return since is not None and _modified(found) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False


def _range(text: str, size: int) -> tuple[int, int]:
    """Return the first byte and the one behind the last of ``bytes=FIRST-LAST``. Raises ServiceFailure."""
    found = _RANGE.fullmatch(text.replace(" ", ""))
    if found is not None:
        first, last = found.groups()
        start, end = (int(first), int(last) + 1 if last else size) if first else (max(0, size - int(last or 0)), size)
        if start < min(end, size):
            return start, min(end, size)
    raise ServiceFailure(416, "InvalidRange", f"Range is {shown(text)}, but the object has {size} bytes")


async def _content(file: BinaryIO, start: int, end: int) -> AsyncIterator[bytes]:
    with file:
        file.seek(start)
        while start < end:
            piece = await asyncio.to_thread(file.read, min(_READ_BYTES, end - start))
            if not piece:
                return
            start += len(piece)
            yield piece


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        raise ServiceFailure(400, "InvalidArgument", f"{name} is {shown(text)}, but a whole number is needed")
    return int(text)

"""S3's operations on buckets: create, list, delete, and the lists of what they hold."""

from __future__ import annotations

import asyncio
import base64
import functools
from collections.abc import Callable, Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from vision.aws.failure import ServiceFailure
from vision.aws.s3.listing import Listed, list_page
from vision.aws.s3.storage import Storage
from vision.aws.s3.xml import Value, parse_xml, text_of, time_text, xml_response
from vision.settings.nearest import shown

_MOST_KEYS = 1000
_OWNER = {"ID": "local", "DisplayName": "local"}
_LARGEST_BODY = 4 << 20


class BucketCalls:
    """One method for each operation. ``region`` is where every bucket is said to lie."""

    def __init__(self, storage: Storage, region: str) -> None:
        self._storage = storage
        self._region = region

    async def list_buckets(self, request: Request, bucket: str, key: str) -> Response:
        names = await asyncio.to_thread(self._storage.buckets.names)
        made = [
            {"Name": name, "CreationDate": time_text(self._storage.buckets.folder(name).stat().st_ctime)}
            for name in names
        ]
        return xml_response("ListAllMyBucketsResult", {"Owner": _OWNER, "Buckets": {"Bucket": made}})

    async def create(self, request: Request, bucket: str, key: str) -> Response:
        await read_small_body(request)
        if not self._storage.buckets.create(bucket) and self._region != "us-east-1":
            raise ServiceFailure(409, "BucketAlreadyOwnedByYou", f"bucket {bucket} exists already")
        return Response(headers={"location": f"/{bucket}"})

    async def head(self, request: Request, bucket: str, key: str) -> Response:
        self._storage.buckets.folder(bucket)
        return Response(headers={"x-amz-bucket-region": self._region})

    async def delete(self, request: Request, bucket: str, key: str) -> Response:
        self._storage.delete_bucket(bucket)
        return Response(status_code=204)

    async def location(self, request: Request, bucket: str, key: str) -> Response:
        self._storage.buckets.folder(bucket)
        # S3's oldest region has no name here.
        return xml_response("LocationConstraint", "" if self._region == "us-east-1" else self._region)

    async def list_objects(self, request: Request, bucket: str, key: str) -> Response:
        """Answer both versions of the call: the second goes on from a token, the first from a key."""
        query = request.query_params
        is_second = query.get("list-type") == "2"
        token = query.get("continuation-token") if is_second else query.get("marker")
        after = query.get("start-after", "") if is_second else query.get("marker", "")
        if is_second and token is not None:
            after = _read_token(token)
        prefix, delimiter, most = query.get("prefix", ""), query.get("delimiter", ""), _most_keys(query)
        folder = self._storage.buckets.folder(bucket)
        is_marker = functools.partial(self._storage.notes.is_marker, bucket)
        page = await asyncio.to_thread(list_page, folder, prefix, delimiter, after, most, is_marker)
        spell = _spelling(query.get("encoding-type"))
        common: dict[str, Value] = {
            "Name": bucket,
            "Prefix": spell(prefix),
            "MaxKeys": most,
            "Delimiter": spell(delimiter) or None,
            "EncodingType": query.get("encoding-type"),
            "IsTruncated": page.last is not None,
        }
        if is_second:
            common |= {
                "KeyCount": len(page.objects) + len(page.prefixes),
                "ContinuationToken": token,
                "StartAfter": spell(query.get("start-after", "")) or None,
                "NextContinuationToken": None if page.last is None else _token(page.last),
            }
        else:
            common |= {"Marker": spell(after), "NextMarker": None if page.last is None else spell(page.last)}
        common["Contents"] = [self._described(bucket, listed, spell) for listed in page.objects]
        common["CommonPrefixes"] = [{"Prefix": spell(one)} for one in page.prefixes]
        return xml_response("ListBucketResult", common)

    def _described(self, bucket: str, listed: Listed, spell: Callable[[str], str]) -> dict[str, str | int]:
        note = self._storage.notes.read(bucket, listed.key, listed.status)
        return {
            "Key": spell(listed.key),
            "LastModified": time_text(listed.status.st_mtime),
            "ETag": f'"{note.etag}"',
            "Size": 0 if listed.key.endswith("/") else listed.status.st_size,
            "StorageClass": "STANDARD",
        }

    async def list_uploads(self, request: Request, bucket: str, key: str) -> Response:
        self._storage.buckets.folder(bucket)
        prefix, spell = request.query_params.get("prefix", ""), _spelling(request.query_params.get("encoding-type"))
        found = await asyncio.to_thread(self._storage.uploads.of, bucket)
        uploads = [
            {
                "Key": spell(one.key),
                "UploadId": one.id,
                "Initiated": time_text(one.folder.stat().st_ctime),
                "StorageClass": "STANDARD",
            }
            for one in found
            if one.key.startswith(prefix)
        ]
        return xml_response(
            "ListMultipartUploadsResult",
            {"Bucket": bucket, "Prefix": spell(prefix), "IsTruncated": False, "Upload": uploads},
        )

    async def delete_objects(self, request: Request, bucket: str, key: str) -> Response:
        """Delete up to a thousand objects; the answer says of each what became of it."""
        self._storage.buckets.folder(bucket)
        root = parse_xml(await read_small_body(request))
        keys = [text_of(element, "Key") for element in root.findall("Object")]
        if len(keys) > _MOST_KEYS:
            raise ServiceFailure(400, "MalformedXML", f"{len(keys)} keys are named, at most {_MOST_KEYS} are allowed")
        outcomes = await asyncio.to_thread(lambda: [self._delete(bucket, one) for one in keys])
        is_quiet = root.findtext("Quiet") == "true"
        deleted = [{"Key": one} for one, failure in outcomes if failure is None and not is_quiet]
        failed = [
            {"Key": one, "Code": failure.code, "Message": failure.sentence}
            for one, failure in outcomes
            if failure is not None
        ]
        return xml_response("DeleteResult", {"Deleted": deleted, "Error": failed})

    def _delete(self, bucket: str, key: str) -> tuple[str, ServiceFailure | None]:
        try:
            self._storage.delete(bucket, key)
        except ServiceFailure as failure:
            return key, failure
        return key, None


async def read_small_body(request: Request) -> bytes:
    """Return a body of at most 4 MiB. Raises ServiceFailure."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_BODY:
            raise ServiceFailure(400, "EntityTooLarge", "the body of this call is larger than 4 MiB")
    return bytes(body)


def _most_keys(query: Mapping[str, str]) -> int:
    text = query.get("max-keys", str(_MOST_KEYS))
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        raise ServiceFailure(400, "InvalidArgument", f"max-keys is {shown(text)}, but a whole number is needed")
    return min(int(text), _MOST_KEYS)


def _spelling(encoding: str | None) -> Callable[[str], str]:
    """Return how keys are written: as they are, or percent-encoded for letters that XML cannot hold."""
    if encoding == "url":
        return functools.partial(quote, safe="/")
    if encoding:
        raise ServiceFailure(400, "InvalidArgument", f"encoding-type is {shown(encoding)}, but only url is known")
    return str


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, b"-_", validate=True).decode()
    except ValueError:
        raise ServiceFailure(
            400, "InvalidArgument", f"continuation-token is {shown(token)}, which is none of this server's"
        ) from None

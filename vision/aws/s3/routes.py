"""S3's calls: which method and query on which path is which operation, and its answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import unquote_to_bytes

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from vision.aws.failure import ServiceFailure, internal_failure
from vision.aws.s3.bucket_calls import BucketCalls
from vision.aws.s3.object_calls import ObjectCalls
from vision.aws.s3.storage import Storage
from vision.aws.s3.xml import error_response
from vision.files.write_error import machine_trouble

log = logging.getLogger(__name__)

Call = Callable[[Request, str, str], Awaitable[Response]]

# Parameters of the query that make another operation of a call. Those without an entry below are refused by name:
# answered as if they were not there, GetBucketPolicy would be a list of keys.
_NAMES = """
accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle
location logging metadataConfiguration metadataTable metrics notification object-lock ownershipControls partNumber
policy policyStatus publicAccessBlock replication requestPayment restore retention select session tagging torrent
uploadId uploads versioning versions website renameObject abac
"""
_SUBRESOURCES = frozenset(_NAMES.split())


class S3Routes:
    """Answers every request whose signature is for S3. ``region`` is what GetBucketLocation says."""

    def __init__(self, storage: Storage, region: str) -> None:
        buckets, objects = BucketCalls(storage, region), ObjectCalls(storage)
        self._service = {("GET", ""): buckets.list_buckets}
        self._bucket: dict[tuple[str, str], Call] = {
            ("PUT", ""): buckets.create,
            ("HEAD", ""): buckets.head,
            ("DELETE", ""): buckets.delete,
            ("GET", ""): buckets.list_objects,
            ("GET", "location"): buckets.location,
            ("GET", "uploads"): buckets.list_uploads,
            ("POST", "delete"): buckets.delete_objects,
        }
        self._object: dict[tuple[str, str], Call] = {
            ("PUT", ""): objects.put,
            ("GET", ""): objects.get,
            ("HEAD", ""): objects.get,
            ("DELETE", ""): objects.delete,
            ("POST", "uploads"): objects.begin_upload,
            ("PUT", "partNumber uploadId"): objects.upload_part,
            ("GET", "uploadId"): objects.list_parts,
            ("POST", "uploadId"): objects.complete_upload,
            ("DELETE", "uploadId"): objects.abort_upload,
        }

    async def answer(self, request: Request) -> Response:
        """Return the answer, or the error in S3's shape."""
        try:
            return await self._call(request)
        except ServiceFailure as error:
            failure = error
        except OSError as error:
            trouble = machine_trouble(error)
            if trouble is None:
                log.exception("a call of S3 failed")
            failure = internal_failure() if trouble is None else ServiceFailure(507, "InsufficientStorage", trouble)
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("a call of S3 failed")
            failure = internal_failure()
        response = error_response(failure, request.url.path, has_body=request.method != "HEAD")
        # A body that was not read to its end cannot be followed by another request.
        response.headers["connection"] = "close"
        return response

    async def _call(self, request: Request) -> Response:
        bucket, key = _bucket_and_key(request)
        table = self._object if key else self._bucket if bucket else self._service
        asked = " ".join(sorted(_SUBRESOURCES.intersection(request.query_params)))
        call = table.get((request.method, asked))
        if call is None:
            what = f"{request.method} with ?{asked.replace(' ', '&')}" if asked else request.method
            place = "an object" if key else "a bucket" if bucket else "the service"
            raise ServiceFailure(501, "NotImplemented", f"{what} on {place} is not answered here")
        return await call(request, bucket, key)


def _bucket_and_key(request: Request) -> tuple[str, str]:
    """Return what the path names, in its own letters: a decoded and cleaned path would be another key."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    try:
        path = unquote_to_bytes(raw.partition(b"?")[0]).decode()
    except UnicodeDecodeError:
        raise ServiceFailure(400, "InvalidURI", "the path is not UTF-8 text in percent-encoding") from None
    bucket, _, key = path.removeprefix("/").partition("/")
    return bucket, key

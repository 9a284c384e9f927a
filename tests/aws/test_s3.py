"""S3 on folders, by the stock client."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import threading
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.endpoint import REGION, Clients, local_endpoint


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def clients(root: Path) -> Iterator[Clients]:
    with local_endpoint(root) as clients:
        clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        yield clients


def put(clients: Clients, *keys: str) -> None:
    for key in keys:
        clients.s3.put_object(Bucket="bucket", Key=key, Body=b"" if key.endswith("/") else key.encode())


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_an_object_is_a_file_and_a_file_is_an_object(clients: Clients, root: Path) -> None:
    s3 = clients.s3
    assert s3.list_buckets()["Buckets"][0]["Name"] == "bucket"
    assert s3.get_bucket_location(Bucket="bucket")["LocationConstraint"] == REGION
    answer = s3.put_object(
        Bucket="bucket", Key="a/b c+ü.txt", Body=b"hello", ContentType="text/plain", Metadata={"from": "me"}
    )
    assert answer["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert (root / "bucket" / "a" / "b c+ü.txt").read_bytes() == b"hello"
    found = s3.get_object(Bucket="bucket", Key="a/b c+ü.txt")
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (b"hello", "text/plain", {"from": "me"})
    # What people copy into the folder is there at once.
    (root / "bucket" / "copied").write_bytes(b"0123456789")
    first = s3.head_object(Bucket="bucket", Key="copied")
    assert first["ContentLength"] == 10
    (root / "bucket" / "copied").write_bytes(b"other")
    assert s3.head_object(Bucket="bucket", Key="copied")["ETag"] != first["ETag"]


@pytest.mark.parametrize(
    ("asked", "content", "told"),
    [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
    ],
)
def test_a_range_is_answered(clients: Clients, asked: str, content: bytes, told: str) -> None:
    clients.s3.put_object(Bucket="bucket", Key="k", Body=b"0123456789")
    found = clients.s3.get_object(Bucket="bucket", Key="k", Range=asked)
    assert (found["Body"].read(), found["ContentRange"]) == (content, told)


def test_a_range_behind_the_end_is_refused(clients: Clients) -> None:
    clients.s3.put_object(Bucket="bucket", Key="k", Body=b"0123456789")
    with pytest.raises(ClientError) as error:
        clients.s3.get_object(Bucket="bucket", Key="k", Range="bytes=10-")
    assert code_of(error) == "InvalidRange"


def test_large_uploads_in_parts_side_by_side_keep_their_bytes(clients: Clients, root: Path) -> None:
    contents = {f"large/{number}": os.urandom(9 << 20) for number in range(4)}
    threads = [
        threading.Thread(target=clients.s3.upload_fileobj, args=(io.BytesIO(content), "bucket", key))
        for key, content in contents.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key, content in contents.items():
        assert (root / "bucket" / key).read_bytes() == content
        back = io.BytesIO()
        clients.s3.download_fileobj("bucket", key, back)
        assert back.getvalue() == content
    assert not list((root / ".vision" / "uploads").iterdir())


def test_an_upload_in_parts_is_seen_only_when_it_is_complete(clients: Clients) -> None:
    s3 = clients.s3
    upload = s3.create_multipart_upload(Bucket="bucket", Key="k", ContentType="image/png")["UploadId"]
    etags = [
        s3.upload_part(Bucket="bucket", Key="k", UploadId=upload, PartNumber=number, Body=body)["ETag"]
        for number, body in ((1, b"first"), (2, b"second"), (2, b"SECOND"))
    ]
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket="bucket")["Uploads"]] == ["k"]
    parts = s3.list_parts(Bucket="bucket", Key="k", UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in parts] == [(1, 5, etags[0]), (2, 6, etags[2])]
    with pytest.raises(ClientError) as missing:
        s3.head_object(Bucket="bucket", Key="k")
    assert code_of(missing) == "404"
    wrong = {"Parts": [{"PartNumber": 1, "ETag": etags[0]}, {"PartNumber": 2, "ETag": etags[1]}]}
    with pytest.raises(ClientError) as replaced:
        s3.complete_multipart_upload(Bucket="bucket", Key="k", UploadId=upload, MultipartUpload=wrong)
    assert code_of(replaced) == "InvalidPart"
    wrong["Parts"][1]["ETag"] = etags[2]
    s3.complete_multipart_upload(Bucket="bucket", Key="k", UploadId=upload, MultipartUpload=wrong)
    found = s3.get_object(Bucket="bucket", Key="k")
    assert (found["Body"].read(), found["ContentType"]) == (b"firstSECOND", "image/png")
    with pytest.raises(ClientError) as ended:
        s3.abort_multipart_upload(Bucket="bucket", Key="k", UploadId=upload)
    assert code_of(ended) == "NoSuchUpload"


KEYS = ("a-b", "a/b", "a/c/d", "a/c/e", "a0", "b/", "z", "é")


def test_keys_are_listed_in_the_order_of_their_bytes(clients: Clients) -> None:
    put(clients, *KEYS)
    found = clients.s3.list_objects_v2(Bucket="bucket")["Contents"]
    assert [one["Key"] for one in found] == sorted(KEYS, key=str.encode)


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("page", [1, 2, 3, 100])
@pytest.mark.parametrize("delimiter", ["", "/", "c"])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/c", "none"])
def test_pages_together_are_the_whole(clients: Clients, operation: str, page: int, delimiter: str, prefix: str) -> None:
    put(clients, *KEYS)
    pages = clients.s3.get_paginator(operation).paginate(
        Bucket="bucket", Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": page}
    )
    found = []
    for one in pages:
        found += [entry["Key"] for entry in one.get("Contents", ())]
        found += [entry["Prefix"] for entry in one.get("CommonPrefixes", ())]
    expected = set()
    for key in (key for key in KEYS if key.startswith(prefix)):
        head, separator, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        expected.add(prefix + head + separator if separator else key)
    assert sorted(found, key=str.encode) == sorted(expected, key=str.encode)


def test_copies_and_deletions(clients: Clients, root: Path) -> None:
    put(clients, "a/b/c", "a/d")
    clients.s3.copy_object(Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": "a/b/c"})
    assert (root / "bucket" / "copy").read_bytes() == b"a/b/c"
    answer = clients.s3.delete_objects(
        Bucket="bucket", Delete={"Objects": [{"Key": "copy"}, {"Key": "never was"}, {"Key": "../x"}]}
    )
    assert [one["Key"] for one in answer["Deleted"]] == ["copy", "never was"]
    assert [one["Key"] for one in answer["Errors"]] == ["../x"]
    clients.s3.delete_object(Bucket="bucket", Key="a/b/c")
    # A folder goes with its last object.
    assert not (root / "bucket" / "a" / "b").exists()
    with pytest.raises(ClientError) as error:
        clients.s3.delete_bucket(Bucket="bucket")
    assert code_of(error) == "BucketNotEmpty"
    clients.s3.delete_object(Bucket="bucket", Key="a/d")
    clients.s3.delete_bucket(Bucket="bucket")
    assert clients.s3.list_buckets()["Buckets"] == []


def test_a_presigned_address_needs_no_client(clients: Clients) -> None:
    put(clients, "k")
    address = clients.s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"})
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"k"


@pytest.mark.parametrize("key", ["../out", "a/../../out", "/out", "a//b", ".", "a/./b", "x" * 300, "nul\0"])
def test_no_key_leaves_its_bucket(clients: Clients, root: Path, key: str) -> None:
    with pytest.raises(ClientError) as error:
        clients.s3.put_object(Bucket="bucket", Key=key, Body=b"x")
    assert code_of(error) in ("InvalidArgument", "KeyTooLongError")
    assert list((root / "bucket").iterdir()) == []
    assert not (root / "out").exists()


@pytest.mark.parametrize(
    "path", ["/bucket/../.vision/registry.sqlite", "/bucket/%2e%2e/.vision/registry.sqlite", "/.vision/registry.sqlite"]
)
def test_raw_paths_do_not_leave_either(clients: Clients, path: str) -> None:
    connection = http.client.HTTPConnection(clients.address.removeprefix("http://"))
    scope = f"AWS4-HMAC-SHA256 Credential=any/20260101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=0"
    connection.request("GET", path, headers={"authorization": scope})
    answer = connection.getresponse()
    assert answer.status in (400, 404), answer.read()


def test_links_out_of_a_bucket_are_not_followed(clients: Clients, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (root / "bucket" / "link").symlink_to(tmp_path / "secret")
    (root / "bucket" / "folder").symlink_to(tmp_path)
    for key in ("link", "folder/secret"):
        with pytest.raises(ClientError) as error:
            clients.s3.get_object(Bucket="bucket", Key=key)
        assert code_of(error) == "AccessDenied"
    assert "Contents" not in clients.s3.list_objects_v2(Bucket="bucket")


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda s3: s3.get_object(Bucket="bucket", Key="none"), "NoSuchKey"),
        (lambda s3: s3.list_objects_v2(Bucket="no-such"), "NoSuchBucket"),
        (lambda s3: s3.head_bucket(Bucket="no-such"), "404"),
        (lambda s3: s3.get_bucket_policy(Bucket="bucket"), "NotImplemented"),
        (lambda s3: s3.put_object(Bucket="bucket", Key="file/below", Body=b""), "InvalidArgument"),
        (lambda s3: s3.put_object(Bucket="bucket", Key="folder", Body=b""), "InvalidArgument"),
        (lambda s3: s3.put_object(Bucket="bucket", Key="k", Body=b"x", ContentMD5=_md5(b"y")), "BadDigest"),
        (lambda s3: s3.put_object(Bucket="bucket", Key="k", Body=b"x", ChecksumCRC32=_crc32(b"y")), "BadDigest"),
        (lambda s3: s3.create_bucket(Bucket="Not-Allowed"), "InvalidBucketName"),
        (lambda s3: s3.list_objects_v2(Bucket="bucket", ContinuationToken="?"), "InvalidArgument"),
    ],
)
def test_errors_have_the_services_names(clients: Clients, call: Any, code: str) -> None:
    put(clients, "file", "folder/file")
    with pytest.raises(ClientError) as error:
        call(clients.s3)
    assert code_of(error) == code


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def _crc32(content: bytes) -> str:
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()

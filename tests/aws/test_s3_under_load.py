"""S3 with many clients at once, of which some are slow or leave in the middle."""

from __future__ import annotations

import http.client
import logging
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.aws.endpoint import Clients, local_endpoint
from tests.aws.mutated_requests import signed

UPLOADS = 30
PARTS = 3
# Each upload adds its number, so that parts of two uploads are never equally long.
PART_BYTES = 300_000


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Clients]:
    with local_endpoint(tmp_path / "root") as clients:
        (tmp_path / "root/bucket").mkdir()
        yield clients


def call(endpoint: Clients, method: str, path: str, body: bytes = b"") -> tuple[str, bytes]:
    """Return the ETag in the answer and its body."""
    connection = http.client.HTTPConnection(urlsplit(endpoint.address).netloc, timeout=120)
    connection.request(method, path, body, signed("s3"))
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, content
    return answer.getheader("etag", ""), content


def test_uploads_in_parts_at_the_same_time_are_whole(endpoint: Clients, tmp_path: Path) -> None:
    all_begun = threading.Barrier(UPLOADS, timeout=120)
    sent: dict[int, bytes] = {}

    def upload(number: int) -> None:
        rng, key = random.Random(number), f"/bucket/many/{number}"
        _, begun = call(endpoint, "POST", f"{key}?uploads")
        found = re.search(rb"<UploadId>(.*?)<", begun)
        assert found is not None
        query = f"uploadId={found[1].decode()}"
        all_begun.wait()
        parts = [rng.randbytes(PART_BYTES + number) for _ in range(PARTS)]
        etags = [call(endpoint, "PUT", f"{key}?partNumber={n}&{query}", part)[0] for n, part in enumerate(parts, 1)]
        listed = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in enumerate(etags, 1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
        call(endpoint, "POST", f"{key}?{query}", body.encode())
        sent[number] = b"".join(parts)

    threads = [threading.Thread(target=upload, args=[number]) for number in range(UPLOADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sent) == list(range(UPLOADS))
    for number, content in sent.items():
        assert (tmp_path / f"root/bucket/many/{number}").read_bytes() == content
    assert unfinished(tmp_path) == []


def unfinished(folder: Path) -> list[Path]:
    own = folder / "root/.vision"
    return [*(own / "staging").iterdir(), *(own / "uploads").iterdir()]


def test_clients_that_stop_in_the_middle_stop_nobody(
    endpoint: Clients, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = urlsplit(endpoint.address)
    head = f"PUT /bucket/half HTTP/1.1\r\nhost: {address.netloc}\r\n"
    credential = f"authorization: {signed('s3')['authorization']}\r\n"
    begun = [
        head.encode(),
        f"{head}{credential}content-length: 1000000\r\n\r\n".encode() + bytes(70_000),
        f"{head}{credential}content-length: 1000000\r\nexpect: 100-continue\r\n\r\n".encode(),
        f"{head}{credential}transfer-encoding: chunked\r\n\r\nffff\r\nhalf".encode(),
    ]
    halves = []
    for number in range(400):
        half = socket.create_connection((str(address.hostname), int(address.port or 0)))
        half.sendall(begun[number % len(begun)])
        halves.append(half)
    started = time.monotonic()
    call(endpoint, "PUT", "/bucket/whole", b"content")
    assert call(endpoint, "GET", "/bucket/whole")[1] == b"content"
    assert time.monotonic() - started < 10
    for half in halves:
        half.close()
    until = time.monotonic() + 60
    while unfinished(tmp_path):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not (tmp_path / "root/bucket/half").exists()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

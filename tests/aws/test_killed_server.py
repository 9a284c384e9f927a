"""The real process, killed at work on buckets and endpoints: what it shows afterwards is true and whole."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.aws.endpoint import ROLE, Clients
from tests.aws.test_endpoints import IMAGE, MODELS, PHOTO, configure
from tests.aws.test_server_process import Server, wait_for_no_children
from tests.serving.small_model import NAMES, write_model
from vision.artifacts.archive import pack_archive

pytestmark = pytest.mark.timeout(600)

# Seconds after the start of the life below.
MOMENTS_S = (0.7, 6.0)
OBJECT_BYTES = 1 << 20
PART_BYTES = 5 << 20


def content(number: int, size: int = OBJECT_BYTES) -> bytes:
    """Return bytes by which a whole object, and which one, can be told."""
    return number.to_bytes(8, "big") * (size // 8)


class Life:
    """Stores, joins, copies and deletes objects, and updates an endpoint, until the server is gone.

    ``stored`` holds, by key, the latest number that the server has acknowledged.
    """

    def __init__(self, clients: Clients) -> None:
        self.stored: dict[str, int] = {}
        self._clients = clients
        for name in ("s3", "sagemaker"):
            getattr(clients, name)
        self._threads = [
            threading.Thread(target=self._until_the_end, args=[work]) for work in (self._objects, self._updates)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _until_the_end(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (BotoCoreError, ClientError):
            # The server was killed, or has no place for the call in this moment.
            return

    def _objects(self) -> None:
        s3 = self._clients.s3
        for number in count(max(self.stored.values(), default=0) + 1):
            place = {"Bucket": "bucket", "Key": f"life/{number % 3}"}
            s3.put_object(**place, Body=content(number))
            self.stored[place["Key"]] = number
            joined = {"Bucket": "bucket", "Key": "life/joined"}
            upload = s3.create_multipart_upload(**joined)["UploadId"]
            parts = []
            for part, size in ((1, PART_BYTES), (2, OBJECT_BYTES)):
                etag = s3.upload_part(**joined, UploadId=upload, PartNumber=part, Body=content(number, size))["ETag"]
                parts.append({"PartNumber": part, "ETag": etag})
            s3.complete_multipart_upload(**joined, UploadId=upload, MultipartUpload={"Parts": parts})
            self.stored["life/joined"] = number
            s3.copy_object(Bucket="bucket", Key="life/copy", CopySource=place)
            s3.delete_object(Bucket="bucket", Key="life/copy")

    def _updates(self) -> None:
        sagemaker = self._clients.sagemaker
        for number in count():
            name = f"only-{list(MODELS)[number % 2]}"
            sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="endpoint", WaiterConfig={"Delay": 1})
            sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName=name)


def check(server: Server, root: Path, stored: dict[str, int]) -> None:
    """Check that all that is offered is whole, and not older than what was acknowledged."""
    s3 = server.clients.s3
    assert list((root / ".vision/staging").iterdir()) == []
    listed = {
        one["Key"]: one["Size"] for one in s3.list_objects_v2(Bucket="bucket", Prefix="life/").get("Contents", ())
    }
    assert set(stored) <= set(listed)
    for key, size in listed.items():
        body = s3.get_object(Bucket="bucket", Key=key)["Body"].read()
        number = int.from_bytes(body[:8], "big")
        assert size == len(body) == (PART_BYTES + OBJECT_BYTES if key == "life/joined" else OBJECT_BYTES)
        assert body == content(number, size)
        assert number >= stored.get(key, 0)
    for upload in s3.list_multipart_uploads(Bucket="bucket").get("Uploads", ()):
        s3.abort_multipart_upload(Bucket="bucket", Key=upload["Key"], UploadId=upload["UploadId"])
    assert list((root / ".vision/uploads").iterdir()) == []

    sagemaker = server.clients.sagemaker
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="endpoint", WaiterConfig={"Delay": 1})
    name = sagemaker.describe_endpoint(EndpointName="endpoint")["EndpointConfigName"].removeprefix("only-")
    answer = server.clients.sagemaker_runtime.invoke_endpoint(EndpointName="endpoint", **PHOTO)
    assert answer["InvokedProductionVariant"] == name
    assert len(json.loads(answer["Body"].read())) == len(NAMES)


def test_a_server_killed_at_any_moment_offers_nothing_half_made(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bucket/models").mkdir(parents=True)
    for name, seed in MODELS.items():
        folder = write_model(tmp_path / name, seed)
        files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
        pack_archive(folder, files, root / f"bucket/models/{name}.tar.gz")
    server = Server(root)
    for name in MODELS:
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://bucket/models/{name}.tar.gz"}
        server.clients.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        configure(server.clients, f"only-{name}", {name: 1.0})
    server.clients.sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="only-first")
    stored: dict[str, int] = {}
    for moment_s in MOMENTS_S:
        life = Life(server.clients)
        time.sleep(moment_s)
        server.end(signal.SIGKILL)
        life.join()
        stored |= life.stored
        wait_for_no_children(root)
        server = Server(root)
        check(server, root, stored)
    assert server.end() == 0

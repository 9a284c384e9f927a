"""A stock boto3 client whose requests go to an ASGI application in this process: boto3 does everything but sending."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from starlette.applications import Starlette

from tests.serving.asgi import post, whole


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


def rekognition(endpoint_url: str = "http://127.0.0.1:1", app: Starlette | None = None) -> Any:
    """A client of Rekognition, answered by ``app`` where there is one."""
    client = boto3.client(
        "rekognition",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(retries={"max_attempts": 0}, proxies={}),
    )

    def send(request: Any, **_: Any) -> AWSResponse:
        headers = {
            name.lower(): str(value, "latin-1") if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        answered = asyncio.run(post(app, whole(request.body), "/", **headers))
        return AWSResponse(request.url, answered.status, answered.headers, _Body(answered.body))

    if app is not None:
        client.meta.events.register("before-send.rekognition", send)
    return client

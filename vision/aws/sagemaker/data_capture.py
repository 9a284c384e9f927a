"""Data capture: calls of an endpoint and their answers, written into a bucket as lines of JSON."""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from vision.aws.request_shape import RequestShape
from vision.aws.s3.buckets import split_uri
from vision.aws.s3.storage import Storage
from vision.aws.sagemaker.training_request import S3Address

log = logging.getLogger(__name__)

_WRITE_EVERY_S = 1.0
# Calls that are not written yet; where the disk is slower than the clients, further ones are left out.
_MOST_WAITING_BYTES = 64 << 20


class CaptureOption(RequestShape):
    capture_mode: Literal["Input", "Output", "InputAndOutput"]


class CaptureTypes(RequestShape):
    csv_content_types: list[str] = Field(default_factory=list)
    json_content_types: list[str] = Field(default_factory=list)


class CaptureRequest(RequestShape):
    """DataCaptureConfig. Contents of types that are not named are written in base64."""

    enable_capture: bool = False
    initial_sampling_percentage: Annotated[int, Field(ge=0, le=100)]
    destination_s3_uri: S3Address
    capture_options: Annotated[list[CaptureOption], Field(min_length=1, max_length=32)]
    capture_content_type_header: CaptureTypes = CaptureTypes()

    def captures(self, side: Literal["Input", "Output"]) -> bool:
        """Return whether this side of a call is written."""
        return any(option.capture_mode in (side, "InputAndOutput") for option in self.capture_options)

    def encoded(self, content_type: str, content: bytes) -> tuple[str, str]:
        """Return (data, encoding) as the line holds a content."""
        plain = content_type.partition(";")[0].strip().lower()
        types = self.capture_content_type_header
        for encoding, known in (("CSV", types.csv_content_types), ("JSON", types.json_content_types)):
            if plain in (name.lower() for name in known):
                try:
                    return content.decode(), encoding
                except UnicodeDecodeError:
                    break
        return base64.b64encode(content).decode("ascii"), "BASE64"


@dataclass(frozen=True)
class Call:
    """A call that was answered. ``moment`` is in UTC."""

    variant: str
    moment: datetime
    input_type: str
    input: bytes
    output_type: str
    output: bytes

    @property
    def size(self) -> int:
        return len(self.input) + len(self.output)


class DataCapture:
    """Writes the calls of one endpoint until ``close``, a file for each variant and second that has some."""

    def __init__(self, storage: Storage, endpoint: str, request: CaptureRequest) -> None:
        self._storage, self._endpoint, self._request = storage, endpoint, request
        self._waiting: list[Call] = []
        self._waiting_bytes = self._left_out = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        threading.Thread(target=self._run, name=f"capture {endpoint}", daemon=True).start()

    def add(self, call: Call) -> None:
        """Take a call, if the sample falls on it, to be written in a moment."""
        if 100 * random.random() >= self._request.initial_sampling_percentage:
            return
        with self._lock:
            if self._waiting_bytes + call.size > _MOST_WAITING_BYTES:
                self._left_out += 1
                return
            self._waiting.append(call)
            self._waiting_bytes += call.size

    def close(self) -> None:
        """Write what waits, and end."""
        self._closing.set()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._closing.wait(_WRITE_EVERY_S)
            with self._lock:
                calls, left_out = self._waiting, self._left_out
                self._waiting, self._waiting_bytes, self._left_out = [], 0, 0
            if left_out:
                log.warning("vision: endpoint %s: %d calls came too fast to be captured", self._endpoint, left_out)
            for variant in sorted({call.variant for call in calls}):
                try:
                    self._write(variant, [call for call in calls if call.variant == variant])
                except Exception as error:
                    # Serving goes on where its bucket is gone or the disk is full.
                    log.warning("vision: endpoint %s: calls cannot be captured: %s", self._endpoint, error)

    def _write(self, variant: str, calls: Sequence[Call]) -> None:
        bucket, prefix = split_uri(self._request.destination_s3_uri.rstrip("/"))
        moment = calls[0].moment
        name = f"{moment:%Y/%m/%d/%H/%M-%S}-{moment.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        key = f"{prefix}/{self._endpoint}/{variant}/{name}".lstrip("/")
        with self._storage.staged() as staged:
            staged.write_text("".join(f"{self._line(call)}\n" for call in calls), encoding="utf-8")
            self._storage.store(staged, bucket, key)

    def _line(self, call: Call) -> str:
        captured = {}
        sides: tuple[tuple[Literal["Input", "Output"], str, bytes], ...] = (
            ("Input", call.input_type, call.input),
            ("Output", call.output_type, call.output),
        )
        for side, content_type, content in sides:
            if self._request.captures(side):
                data, encoding = self._request.encoded(content_type, content)
                captured[f"endpoint{side}"] = {
                    "observedContentType": content_type,
                    "mode": side.upper(),
                    "data": data,
                    "encoding": encoding,
                }
        event = {"eventId": str(uuid.uuid4()), "inferenceTime": f"{call.moment:%Y-%m-%dT%H:%M:%SZ}"}
        return json.dumps({"captureData": captured, "eventMetadata": event, "eventVersion": "0"})


def now() -> datetime:
    """Return the moment of a call."""
    return datetime.now(UTC)

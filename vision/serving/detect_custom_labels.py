"""Rekognition's call DetectCustomLabels: what boto3's ``detect_custom_labels`` sends to an endpoint_url.

AWS's JSON protocol 1.1: every call is ``POST /``, the header X-Amz-Target says which, and an error is an object with
``__type`` and ``message``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeGuard

from starlette.requests import Request
from starlette.responses import Response

from vision.algorithms.algorithm import ScoredLabel
from vision.algorithms.json_answer import json_bytes, json_percent
from vision.data.image_header import BadHeaderError, read_header
from vision.serving.hosted_model import HostedModel
from vision.serving.request_body import EncodedImage, read_body
from vision.serving.request_failure import AMAZON_JSON, ExceptionByName, RequestFailure
from vision.serving.service import Service
from vision.serving.settings import MEBIBYTE
from vision.settings.nearest import shown

TARGET = "RekognitionService.DetectCustomLabels"
# The threshold of labels for which the model has none.
DEFAULT_THRESHOLD = 0.5

# Rekognition's, for DetectCustomLabels with bytes; a server that takes larger bodies takes larger images, too.
MOST_IMAGE_BYTES = 4 * MEBIBYTE
_LONGEST_ARN = 2048
# A body holds one long text and few small values; thousands of values are an attack on the parser's memory.
_MOST_JSON_MARKS = 4096

_VERSION_ARN = re.compile(r"arn:[^:]*:rekognition:[^:]*:[^:]*:project/([^/]+)/version/([^/]+)/\d+")


@dataclass(frozen=True)
class LabelRequest:
    """A checked request. ``min_confidence`` 0..100 or None: the model's own thresholds; ``max_results`` None: all."""

    arn: str
    image: bytes
    min_confidence: float | None
    max_results: int | None


class CustomLabels:
    """``POST /`` with X-Amz-Target: RekognitionService.DetectCustomLabels."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def detect(self, request: Request) -> Response:
        """Answer in the protocol's shape. Raises RequestFailure."""
        target = request.headers.get("x-amz-target", "")
        if target != TARGET:
            raise ExceptionByName(
                400, "UnknownOperationException", f"X-Amz-Target is {shown(target)}, but {TARGET} is answered here"
            )
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        asked = await self._receive(request)
        async with self._service.at_work(loop.time() - started_s):
            body = await self._answer(asked)
        return Response(body, headers={"x-amzn-requestid": str(uuid.uuid4())}, media_type=AMAZON_JSON)

    async def _receive(self, request: Request) -> LabelRequest:
        settings = self._service.settings
        body = await read_body(request, settings.max_payload_bytes, settings.timeout_s)
        most_bytes = max(MOST_IMAGE_BYTES, settings.max_payload_bytes * 2 // 3)
        return await asyncio.to_thread(read_label_request, body, settings.max_pixels, most_bytes)

    async def _answer(self, asked: LabelRequest) -> bytes:
        async with self._model(asked.arn) as hosted:
            model = hosted.model
            if not model.algorithm.facts.capabilities.detect_custom_labels:
                raise ExceptionByName(
                    400,
                    "InvalidParameterException",
                    f"a model of {model.algorithm.facts.title} finds no custom labels; ask it by POST /invocations",
                )
            thresholds = model.stored.assumed_thresholds

            def describe(prediction: object, size_px: tuple[int, int]) -> bytes:
                scored = model.algorithm.scored_labels(prediction)
                return json_bytes({"CustomLabels": custom_labels(scored, model.class_names, asked, thresholds)})

            (answer,) = await hosted.predict([EncodedImage(asked.image, "Image.Bytes")], describe)
        if answer.problem is not None:
            raise ExceptionByName(400, "InvalidImageFormatException", answer.problem)
        return answer.body

    def _model(self, arn: str) -> AbstractAsyncContextManager[HostedModel]:
        """Return the only model, or the loaded one that is named as the ARN's version or project."""
        store = self._service.store
        if store is None:
            return nullcontext(self._service.model)
        loaded = [model.name for model in store.list()]
        found = _VERSION_ARN.fullmatch(arn)
        names = (arn,) if found is None else (arn, found[2], found[1])
        name = next((name for name in names if name in loaded), None)
        if name is None:
            raise RequestFailure(
                404,
                f"ProjectVersionArn is {shown(arn)}, and no model of its version's or project's name is loaded; "
                f"loaded are {shown(', '.join(sorted(loaded)) or 'none')}, others with POST /models",
            )
        return store.use(name)


def custom_labels(
    scored: Sequence[ScoredLabel],
    class_names: Sequence[str],
    asked: LabelRequest,
    thresholds: Mapping[str, float],
) -> list[dict[str, object]]:
    """Return the ``CustomLabels`` of one image, by falling confidence.

    ``thresholds`` 0..1 by label are the model's own, which MinConfidence overrules.
    """
    labels = []
    for one in scored:
        name = class_names[one.class_id]
        # Compare the value that the client sees.
        confidence = json_percent(one.score)
        least = asked.min_confidence
        if least is None:
            least = json_percent(thresholds.get(name, DEFAULT_THRESHOLD))
        if confidence < least:
            continue
        label: dict[str, object] = {"Name": name, "Confidence": confidence}
        if one.box_xyxy_unit is not None:
            left, top, right, bottom = one.box_xyxy_unit
            box = {"Width": right - left, "Height": bottom - top, "Left": left, "Top": top}
            label["Geometry"] = {"BoundingBox": box}
        labels.append(label)
    return labels[: asked.max_results]


def read_label_request(body: bytes, max_pixels: int, most_bytes: int = MOST_IMAGE_BYTES) -> LabelRequest:
    """Read and check a request, but for the content of its image. Raises ExceptionByName."""
    values = _json_object(body)
    arn = values.get("ProjectVersionArn")
    if not isinstance(arn, str) or not 0 < len(arn) <= _LONGEST_ARN:
        raise _invalid(f"ProjectVersionArn is {shown(arn)}, but a text of 1 to {_LONGEST_ARN} characters is needed")
    least, most = values.get("MinConfidence"), values.get("MaxResults")
    if least is not None and not (_is_number(least) and 0 <= least <= 100):
        raise _invalid(f"MinConfidence is {shown(least)}, but a number from 0 to 100 is needed")
    if most is not None and not (isinstance(most, int) and not isinstance(most, bool) and most >= 0):
        raise _invalid(f"MaxResults is {shown(most)}, but an integer of at least 0 is needed")
    return LabelRequest(arn, _image(values.get("Image"), max_pixels, most_bytes), least, most)


def _image(value: object, max_pixels: int, most_bytes: int) -> bytes:
    if not isinstance(value, dict):
        raise _invalid('Image is missing: give {"Bytes": the image file in base64}')
    encoded, s3_object = value.get("Bytes"), value.get("S3Object")
    if s3_object is not None and encoded is not None:
        raise _invalid("Image has both Bytes and S3Object: give Bytes alone")
    if s3_object is not None:
        raise ExceptionByName(
            400,
            "InvalidS3ObjectException",
            "Image.S3Object names an object of a bucket, and this server reads none: send the file as Image.Bytes",
        )
    if not isinstance(encoded, str) or not encoded:
        raise _invalid("Image.Bytes is missing or empty: give the image file in base64")
    try:
        image = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _unreadable(f"Image.Bytes is not base64 ({error})") from None
    if len(image) > most_bytes:
        raise _too_large(f"Image.Bytes has {len(image)} bytes, more than the {most_bytes} that are allowed")
    try:
        header = read_header(image)
    except BadHeaderError:
        # The decoder says what is wrong with it.
        header = None
    if header is not None and header.width * header.height > max_pixels:
        raise _too_large(
            f"Image.Bytes has {header.width}x{header.height} pixels, more than the {max_pixels} that max_pixels allows"
        )
    return image


def _json_object(body: bytes) -> dict[str, Any]:
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_JSON_MARKS:
        raise _unreadable("the body has thousands of values, but a request has five")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _unreadable(f"the body is {shown(body[:40])}, but a JSON object is needed")
    return value


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _invalid(sentence: str) -> ExceptionByName:
    return ExceptionByName(400, "InvalidParameterException", sentence)


def _too_large(sentence: str) -> ExceptionByName:
    return ExceptionByName(400, "ImageTooLargeException", f"{sentence}; send a smaller image")


def _unreadable(sentence: str) -> ExceptionByName:
    return ExceptionByName(400, "SerializationException", sentence)

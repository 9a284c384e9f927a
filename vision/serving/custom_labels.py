"""The part of Rekognition Custom Labels that answers: boto3's ``detect_custom_labels`` with its endpoint_url here.

AWS's JSON protocol 1.1: every call is ``POST /``, the header X-Amz-Target says which, and an error is an object with
``__type`` and ``message``.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from vision.algorithms.algorithm import ScoredLabel
from vision.algorithms.json_answer import json_bytes, json_percent
from vision.serving.failure import AMAZON_JSON, ExceptionByName, RequestFailure
from vision.serving.hosted_model import HostedModel
from vision.serving.label_request import LabelRequest, read_label_request
from vision.serving.request_body import EncodedImage, read_body
from vision.serving.service import Service
from vision.settings.nearest import shown

TARGET = "RekognitionService.DetectCustomLabels"
# Of labels for which the model has no threshold of its own.
DEFAULT_THRESHOLD = 0.5

_VERSION_ARN = re.compile(r"arn:[^:]*:rekognition:[^:]*:[^:]*:project/([^/]+)/version/([^/]+)/\d+")


class CustomLabels:
    """``POST /`` with X-Amz-Target: RekognitionService.DetectCustomLabels."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def detect(self, request: Request) -> Response:
        """The answer in the protocol's shape. Raises RequestFailure."""
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
        return await asyncio.to_thread(read_label_request, body, settings.max_pixels)

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

            def describe(prediction: Any, size_px: tuple[int, int]) -> bytes:
                scored = model.algorithm.scored_labels(prediction)
                return json_bytes({"CustomLabels": custom_labels(scored, model.class_names, asked, thresholds)})

            (answer,) = await hosted.tell([EncodedImage(asked.image, "Image.Bytes")], describe)
        if answer.problem is not None:
            raise ExceptionByName(400, "InvalidImageFormatException", answer.problem)
        return answer.body

    def _model(self, arn: str) -> AbstractAsyncContextManager[HostedModel]:
        """The one model whatever its name, or the loaded one of the ARN's version or project."""
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
) -> list[dict[str, Any]]:
    """The ``CustomLabels`` of one image, by falling confidence.

    ``thresholds`` 0..1 by label are the model's own, which MinConfidence overrules.
    """
    labels = []
    for one in scored:
        name = class_names[one.class_id]
        # What is compared is what the client sees.
        confidence = json_percent(one.score)
        least = asked.min_confidence
        if least is None:
            least = json_percent(thresholds.get(name, DEFAULT_THRESHOLD))
        if confidence < least:
            continue
        label: dict[str, Any] = {"Name": name, "Confidence": confidence}
        if one.box_xyxy_unit is not None:
            left, top, right, bottom = one.box_xyxy_unit
            box = {"Width": right - left, "Height": bottom - top, "Left": left, "Top": top}
            label["Geometry"] = {"BoundingBox": box}
        labels.append(label)
    return labels[: asked.max_results]

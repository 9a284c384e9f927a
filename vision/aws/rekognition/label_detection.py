"""Operations of Rekognition on the labels of stored videos, which a model of one's own finds.

The requests name no model, since the service has its own: here the setting ``label_model`` names it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from starlette.requests import Request

from vision.aws.described import settled, without_none
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.rekognition.label_detection_job import JOB, LabelDetectionJob, frames_path, job_folder
from vision.aws.rekognition.resources import Paged, S3Object, failure, reading_object
from vision.aws.rekognition.video_labels import LabelFilter, SortBy, read_labels, segments, sorted_labels
from vision.aws.request_shape import RequestShape
from vision.aws.scheduler import Scheduler
from vision.aws.workplace import Workplace
from vision.settings.file_names import local_path
from vision.settings.nearest import shown

_MOST_BYTES = 10 << 30
_MOST_RESULTS = 1000
# The service keeps results for seven days.
_KEPT_S = 7 * 86400
_Label = Annotated[str, Field(min_length=1, max_length=255)]
_Labels = Annotated[list[_Label], Field(max_length=100)]


class _Video(RequestShape):
    s3_object: S3Object


class _GeneralLabels(RequestShape):
    label_inclusion_filters: _Labels = Field(default_factory=list)
    label_exclusion_filters: _Labels = Field(default_factory=list)
    label_category_inclusion_filters: _Labels = Field(default_factory=list)
    label_category_exclusion_filters: _Labels = Field(default_factory=list)


class _Settings(RequestShape):
    general_labels: _GeneralLabels = Field(default_factory=_GeneralLabels)


class _Channel(RequestShape):
    pass


class _Start(RequestShape):
    video: _Video
    client_request_token: Annotated[str, Field(pattern=r"^[a-zA-Z0-9-_]+$", min_length=1, max_length=64)] | None = None
    min_confidence: Annotated[float, Field(ge=0, le=100)] = 50.0
    notification_channel: _Channel | None = None
    job_tag: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.\-:+=/]+$", min_length=1, max_length=1024)] | None = None
    features: Annotated[list[Literal["GENERAL_LABELS"]], Field(max_length=1)] = Field(default_factory=list)
    settings: _Settings = Field(default_factory=_Settings)


class _Get(Paged):
    job_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9-_]+$", min_length=1, max_length=64)]
    max_results: Annotated[int, Field(ge=1), AfterValidator(lambda n: min(n, _MOST_RESULTS))] = _MOST_RESULTS
    sort_by: SortBy = "TIMESTAMP"
    aggregate_by: Literal["TIMESTAMPS", "SEGMENTS"] = "TIMESTAMPS"


class LabelDetection:
    """Starts jobs, which look at videos when the scheduler has a place, and answers with what they found."""

    def __init__(self, workplace: Workplace, scheduler: Scheduler) -> None:
        self._workplace, self._scheduler = workplace, scheduler
        # Two calls with one token are one job.
        self._lock = threading.Lock()
        self.operations: dict[str, Operation] = {"StartLabelDetection": self.start, "GetLabelDetection": self.get}

    def recover(self) -> None:
        """Restart the jobs that an earlier server did not finish, and remove old ones."""
        self._remove_old()
        for job in self._workplace.registry.all(JOB):
            if job.state["status"] == "IN_PROGRESS":
                self._scheduler.add(LabelDetectionJob(self._workplace, job))

    async def start(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Start.read(values)
        model = self._workplace.settings.label_model
        if model is None:
            raise _wrong("no model finds labels in videos here: start vision aws serve with label_model=MODEL")
        if asked.notification_channel is not None:
            raise _wrong("NotificationChannel is given, but SNS is not here: ask GetLabelDetection for the end")
        general = asked.settings.general_labels
        if general.label_category_inclusion_filters or general.label_category_exclusion_filters:
            raise _wrong("filters of categories are given, but labels of your own model have none: filter by label")
        place = asked.video.s3_object
        path = await asyncio.to_thread(self._video, place)
        await asyncio.to_thread(self._remove_old)
        digest = hashlib.sha256(json.dumps(asked.model_dump(mode="json")).encode()).hexdigest()
        state = {
            "status": "IN_PROGRESS",
            "bucket": place.bucket,
            "key": place.name,
            "path": str(path),
            "model": str(local_path(str(model)).absolute()),
            "fps": self._workplace.settings.label_fps,
            "least": asked.min_confidence,
            "included": general.label_inclusion_filters,
            "excluded": general.label_exclusion_filters,
            "tag": asked.job_tag,
            "token": asked.client_request_token,
            "request": digest,
        }
        with self._lock:
            job = self._of_token(asked.client_request_token, digest)
            if job is None:
                job = self._workplace.registry.add(JOB, secrets.token_hex(32), state)
                self._scheduler.add(LabelDetectionJob(self._workplace, job))
        return {"JobId": job.name}

    async def get(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Get.read(values)

        def look() -> Resource:
            found = self._workplace.registry.find(JOB, asked.job_id)
            if found is None:
                raise failure("ResourceNotFoundException", f"Could not find JobId {shown(asked.job_id)}")
            return found

        hold_s = self._workplace.settings.hold_s
        job = await settled(look, lambda one: one.state["status"] != "IN_PROGRESS", hold_s, request)
        state = job.state
        answer = without_none(
            JobId=job.name,
            JobStatus=state["status"],
            StatusMessage=state.get("message"),
            Video={"S3Object": {"Bucket": state["bucket"], "Name": state["key"]}},
            JobTag=state["tag"],
        )
        if state["status"] == "SUCCEEDED":
            labels, token = await asyncio.to_thread(self._page, job, asked)
            answer |= without_none(
                VideoMetadata=_metadata(state["facts"]),
                Labels=labels,
                NextToken=token,
                LabelModelVersion=Path(state["model"]).name,
                GetRequestMetadata={"SortBy": asked.sort_by, "AggregateBy": asked.aggregate_by},
            )
        return answer

    def _page(self, job: Resource, asked: _Get) -> tuple[list[dict[str, Any]], str | None]:
        state = job.state
        wanted = LabelFilter(state["least"], frozenset(state["included"]), frozenset(state["excluded"]))
        labels = read_labels(frames_path(self._workplace, job), wanted)
        if asked.aggregate_by == "SEGMENTS":
            found, token = asked.page(segments(labels, asked.sort_by, 1000 / state["fps"]))
            return [one.answer() for one in found], token
        page, token = asked.page(sorted_labels(labels, asked.sort_by))
        return [one.answer() for one in page], token

    def _video(self, place: S3Object) -> Path:
        with reading_object():
            path = self._workplace.storage.buckets.existing(place.bucket, place.name)
            length = path.stat().st_size
        if length > _MOST_BYTES:
            raise failure("VideoTooLargeException", f"the video has more than {_MOST_BYTES >> 30} GiB: cut it")
        return path

    def _remove_old(self) -> None:
        for job in self._workplace.registry.all(JOB):
            if job.state["status"] != "IN_PROGRESS" and time.time() - job.created_s > _KEPT_S:
                shutil.rmtree(job_folder(self._workplace, job), ignore_errors=True)
                self._workplace.registry.remove(JOB, job.name)

    def _of_token(self, token: str | None, request: str) -> Resource | None:
        if token is None:
            return None
        for job in self._workplace.registry.all(JOB):
            if job.state["token"] == token:
                if job.state["request"] != request:
                    raise failure(
                        "IdempotentParameterMismatchException",
                        f"ClientRequestToken {token} was given with another request: take another one",
                    )
                return job
        return None


def _wrong(sentence: str) -> ServiceFailure:
    return failure("InvalidParameterException", sentence)


def _metadata(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "Codec": facts["codec"],
        "DurationMillis": facts["duration_ms"],
        "Format": facts["format"],
        "FrameRate": facts["frame_rate"],
        "FrameHeight": facts["height_px"],
        "FrameWidth": facts["width_px"],
    }

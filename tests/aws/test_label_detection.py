"""Labels of stored videos by a stock client: a job, its answers in pages, and what a restart does to it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws import fake_video
from tests.aws.endpoint import Clients, local_endpoint
from tests.serving.small_model import write_model
from tests.video.clips import HEIGHT_PX, WIDTH_PX, write_clip
from vision.aws import package_command
from vision.aws.child_process import start_child
from vision.aws.rekognition import label_detection

pytestmark = pytest.mark.timeout(300)

BUCKET = {"Bucket": "bucket", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
VIDEO = {"S3Object": {"Bucket": "bucket", "Name": "clips/a=1.mp4"}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A name that shells and URLs read as something else.
    return tmp_path_factory.mktemp("my root, a=b")


@pytest.fixture(scope="module")
def rekognition(root: Path) -> Iterator[Any]:
    """A client of a server whose model is a stand-in; its bucket has a whole, a broken and a strange video."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package_command, "start_child", fake_video.start_instead)
        with local_endpoint(root, label_model="runs/birds") as clients:
            clients.s3.create_bucket(**BUCKET)
            for key in ("clips/a=1.mp4", "broken", "mask"):
                clients.s3.put_object(Bucket="bucket", Key=key, Body=key.encode())
            yield clients.rekognition


@pytest.fixture(scope="module")
def job(rekognition: Any) -> str:
    """A job that is over."""
    name: str = rekognition.start_label_detection(Video=VIDEO, JobTag="night")["JobId"]
    assert rekognition.get_label_detection(JobId=name)["JobStatus"] == "SUCCEEDED"
    return name


def pages(rekognition: Any, **asked: Any) -> Iterator[dict[str, Any]]:
    token: dict[str, str] = {}
    while True:
        page = rekognition.get_label_detection(**asked, **token)
        yield page
        if "NextToken" not in page:
            return
        token = {"NextToken": page["NextToken"]}


def names(labels: list[dict[str, Any]]) -> str:
    return "".join(label["Label"]["Name"][0] for label in labels)


def test_labels_come_by_time_with_their_boxes(rekognition: Any, job: str) -> None:
    found = rekognition.get_label_detection(JobId=job)
    assert (found["JobId"], found["JobTag"], found["Video"]) == (job, "night", VIDEO)
    assert found["LabelModelVersion"] == "birds"
    assert found["GetRequestMetadata"] == {"SortBy": "TIMESTAMP", "AggregateBy": "TIMESTAMPS"}
    metadata = {"Codec": "h264", "Format": "QuickTime / MOV", "FrameWidth": 640, "FrameHeight": 480}
    assert found["VideoMetadata"] == {**metadata, "FrameRate": 25.0, "DurationMillis": 5000}
    assert names(found["Labels"]) == "bdbdbdbbbbbbdbd"
    first, second = found["Labels"][:2]
    assert first["Timestamp"] == 0 and found["Labels"][-1]["Timestamp"] == 4500
    box = {"Left": 0.25, "Top": 0.5, "Width": 0.25, "Height": 0.5}
    instances = [{"BoundingBox": box, "Confidence": 90}]
    instances.append({"BoundingBox": {"Left": 0, "Top": 0, "Width": 1, "Height": 1}, "Confidence": 60})
    nothing: dict[str, Any] = {"Parents": [], "Aliases": [], "Categories": []}
    assert first["Label"] == {"Name": "bird", "Confidence": 90, "Instances": instances, **nothing}
    assert (second["Label"]["Name"], second["Label"]["Confidence"]) == ("dog", 70)


def test_labels_by_name_and_in_segments(rekognition: Any, job: str) -> None:
    by_name = rekognition.get_label_detection(JobId=job, SortBy="NAME")["Labels"]
    assert names(by_name) == "b" * 10 + "d" * 5
    times = [label["Timestamp"] for label in by_name]
    assert times == sorted(times[:10]) + sorted(times[10:])
    found = {}
    for sort_by in ("NAME", "TIMESTAMP"):
        labels = rekognition.get_label_detection(JobId=job, AggregateBy="SEGMENTS", SortBy=sort_by)["Labels"]
        ends = ("StartTimestampMillis", "EndTimestampMillis", "DurationMillis")
        found[sort_by] = [
            (label["Label"]["Name"], *(label[end] for end in ends), label["Label"]["Confidence"]) for label in labels
        ]
        assert all(label["Label"]["Instances"] == [] and "Timestamp" not in label for label in labels)
    dogs = [("dog", 0, 1000, 1000, 72.0), ("dog", 4000, 4500, 500, 79.0)]
    assert found["NAME"] == [("bird", 0, 4500, 4500, 90.0), *dogs]
    assert sorted(found["TIMESTAMP"]) == sorted(found["NAME"])
    assert [start for _, start, *_ in found["TIMESTAMP"]] == [0, 0, 4000]


@pytest.mark.parametrize("most", [1, 4, 15, 5000])
@pytest.mark.parametrize("by", ["TIMESTAMPS", "SEGMENTS"])
def test_pages_hold_all_once(rekognition: Any, job: str, most: int, by: str) -> None:
    whole = rekognition.get_label_detection(JobId=job, AggregateBy=by)["Labels"]
    parts = list(pages(rekognition, JobId=job, AggregateBy=by, MaxResults=most))
    assert [label for page in parts for label in page["Labels"]] == whole
    assert all(len(page["Labels"]) <= most and page["VideoMetadata"]["FrameWidth"] == 640 for page in parts)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"MinConfidence": 75}, "bbbbbbbbbdbd"),
        ({"MinConfidence": 95}, ""),
        ({"Settings": {"GeneralLabels": {"LabelInclusionFilters": ["dog"]}}}, "ddddd"),
        ({"Settings": {"GeneralLabels": {"LabelExclusionFilters": ["dog"]}}}, "bbbbbbbbbb"),
        ({"Features": ["GENERAL_LABELS"], "MinConfidence": 0}, "bdbdbdbbbbbbdbd"),
    ],
)
def test_labels_are_filtered_as_asked(rekognition: Any, asked: dict[str, Any], expected: str) -> None:
    name = rekognition.start_label_detection(Video=VIDEO, **asked)["JobId"]
    found = rekognition.get_label_detection(JobId=name)
    assert names(found["Labels"]) == expected


def test_a_token_names_one_job(rekognition: Any) -> None:
    asked = {"Video": VIDEO, "ClientRequestToken": "once"}
    first = rekognition.start_label_detection(**asked)["JobId"]
    assert rekognition.start_label_detection(**asked)["JobId"] == first
    assert rekognition.start_label_detection(Video=VIDEO)["JobId"] != first
    with pytest.raises(rekognition.exceptions.IdempotentParameterMismatchException):
        rekognition.start_label_detection(**asked, MinConfidence=1)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [("broken", "vision.video.probe failed: the video is no MP4 file"), ("mask", "classifies pixels")],
)
def test_a_video_without_labels_fails_in_a_sentence(rekognition: Any, root: Path, key: str, sentence: str) -> None:
    video = {"S3Object": {"Bucket": "bucket", "Name": key}}
    found = rekognition.get_label_detection(JobId=rekognition.start_label_detection(Video=video)["JobId"])
    assert found["JobStatus"] == "FAILED" and sentence in found["StatusMessage"]
    assert "Labels" not in found
    # The job is kept for a week, its copy of the video is not.
    assert not (root / ".vision" / "label-detection" / found["JobId"] / "video").exists()


@pytest.mark.parametrize(
    ("call", "asked", "code", "sentence"),
    [
        ("start", {"Video": {"S3Object": {"Bucket": "bucket", "Name": "no"}}}, "InvalidS3ObjectException", "Unable"),
        (
            "start",
            {"Video": VIDEO, "NotificationChannel": {"SNSTopicArn": "a:b", "RoleArn": "c:d"}},
            "InvalidParameterException",
            "ask GetLabelDetection",
        ),
        (
            "start",
            {"Video": VIDEO, "Settings": {"GeneralLabels": {"LabelCategoryInclusionFilters": ["Animals"]}}},
            "InvalidParameterException",
            "filter by label",
        ),
        ("get", {"JobId": "a" * 64}, "ResourceNotFoundException", "Could not find JobId"),
        ("get", {"JobId": "job", "NextToken": "x"}, "InvalidPaginationTokenException", "NextToken"),
    ],
)
def test_wrong_calls(rekognition: Any, job: str, call: str, asked: dict[str, Any], code: str, sentence: str) -> None:
    given = asked | ({"JobId": job} if asked.get("JobId") == "job" else {})
    with pytest.raises(ClientError, match=sentence) as error:
        getattr(rekognition, f"{call}_label_detection")(**given)
    assert error.value.response["Error"]["Code"] == code


def test_without_a_model_the_call_says_which_setting(tmp_path: Path) -> None:
    with local_endpoint(tmp_path) as clients:
        clients.s3.create_bucket(**BUCKET)
        with pytest.raises(clients.rekognition.exceptions.InvalidParameterException, match="label_model=MODEL"):
            clients.rekognition.start_label_detection(Video=VIDEO)


def test_a_job_begins_again_with_the_next_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_command, "start_child", fake_video.start_instead)
    root = tmp_path / "root"
    with local_endpoint(root, label_model="runs/birds", hold_s="0") as clients:
        clients.s3.create_bucket(**BUCKET)
        clients.s3.upload_fileobj(io.BytesIO(b"slow"), "bucket", "clips/a=1.mp4")
        name = clients.rekognition.start_label_detection(Video=VIDEO)["JobId"]
        while not list(root.glob(".vision/label-detection/*/video")):
            time.sleep(0.02)
        assert clients.rekognition.get_label_detection(JobId=name)["JobStatus"] == "IN_PROGRESS"
    (root / "go").touch()
    with local_endpoint(root, label_model="runs/birds") as clients:
        found = clients.rekognition.get_label_detection(JobId=name)
        assert (found["JobStatus"], len(found["Labels"])) == ("SUCCEEDED", 15)


def test_old_jobs_go_while_the_server_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_command, "start_child", fake_video.start_instead)
    with local_endpoint(tmp_path, label_model="runs/birds") as clients:
        clients.s3.create_bucket(**BUCKET)
        clients.s3.put_object(Bucket="bucket", Key="clips/a=1.mp4", Body=b"broken")
        old = clients.rekognition.start_label_detection(Video=VIDEO)["JobId"]
        assert ended(clients, old)["JobStatus"] == "FAILED"
        (folder,) = tmp_path.glob(".vision/label-detection/*")
        monkeypatch.setattr(label_detection, "_KEPT_S", -1)
        clients.rekognition.start_label_detection(Video=VIDEO)
        with pytest.raises(clients.rekognition.exceptions.ResourceNotFoundException):
            clients.rekognition.get_label_detection(JobId=old)
        assert not folder.exists()


def test_a_clip_and_a_model_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The stand-in of the module's server is there, too.
    monkeypatch.setattr(package_command, "start_child", start_child)
    model = write_model(tmp_path / "pets")
    clip = write_clip(tmp_path / "clip.mp4")
    with local_endpoint(tmp_path / "root", label_model=str(model), label_fps="5") as clients:
        clients.s3.create_bucket(**BUCKET)
        clients.s3.upload_file(str(clip), "bucket", "clip.mp4")
        video = {"S3Object": {"Bucket": "bucket", "Name": "clip.mp4"}}
        name = clients.rekognition.start_label_detection(Video=video, MinConfidence=0)["JobId"]
        found = ended(clients, name)
    assert found["JobStatus"] == "SUCCEEDED", found
    metadata = {"Codec": "mpeg4", "Format": "QuickTime / MOV", "FrameRate": 10.0, "DurationMillis": 2000}
    assert found["VideoMetadata"] == {**metadata, "FrameWidth": WIDTH_PX, "FrameHeight": HEIGHT_PX}
    times = [label["Timestamp"] for label in found["Labels"]]
    assert sorted(set(times)) == list(range(0, 2000, 200))
    assert {label["Label"]["Name"] for label in found["Labels"]} == {"cat", "dog", "owl"}
    first = [label["Label"]["Confidence"] for label in found["Labels"] if label["Timestamp"] == 0]
    assert sum(first) == pytest.approx(100, abs=0.1)


def ended(clients: Clients, name: str) -> dict[str, Any]:
    while (found := clients.rekognition.get_label_detection(JobId=name))["JobStatus"] == "IN_PROGRESS":
        time.sleep(0.2)
    return dict(found)

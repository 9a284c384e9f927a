"""Batch transform by stock clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.endpoint import ROLE, Clients, until_ended
from tests.serving.small_model import picture, write_model
from vision.artifacts.archive import pack_archive
from vision.aws.sagemaker.output_filter import OutputFilter
from vision.data.recordio.record import pack
from vision.sagemaker.pipe_feeder import wrap

pytestmark = pytest.mark.timeout(600)

IMAGE = "813361260812.dkr.ecr.eu-central-1.amazonaws.com/image-classification:1"
PHOTOS = {"a.jpg": picture(1), "below/b.jpg": picture(2)}
RECORDS = b"".join(wrap(pack(0.0, number, photo)) for number, photo in enumerate(PHOTOS.values()))


@pytest.fixture(scope="module", autouse=True)
def model(clients: Clients, root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The model ``model``, and what jobs read: ``photos/``, ``records/`` and ``mixed/``, of which one is broken."""
    folder = write_model(tmp_path_factory.mktemp("model"), 0)
    (root / "bucket/models").mkdir()
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    pack_archive(folder, files, root / "bucket/models/model.tar.gz")
    container = {"Image": IMAGE, "ModelDataUrl": "s3://bucket/models/model.tar.gz"}
    clients.sagemaker.create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    objects = {f"photos/{name}": photo for name, photo in PHOTOS.items()} | {"records/all.rec": RECORDS}
    objects |= {"mixed/broken.jpg": b"no image", "mixed/large.jpg": bytes(2 << 20), "mixed/all.rec": RECORDS}
    objects |= {"mixed/a.jpg": PHOTOS["a.jpg"]}
    for key, body in objects.items():
        clients.s3.put_object(Bucket="bucket", Key=key, Body=body)


def transform_request(name: str, source: str, **changes: Any) -> dict[str, Any]:
    """A request as the old sample notebooks write it."""
    given = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}}
    return {
        "TransformJobName": name,
        "ModelName": "model",
        "TransformInput": {"DataSource": given, "ContentType": "application/x-image", **changes.pop("input", {})},
        "TransformOutput": {"S3OutputPath": f"s3://bucket/answers/{name}", **changes.pop("output", {})},
        "TransformResources": {"InstanceType": "ml.p2.xlarge", "InstanceCount": 1},
        **changes,
    }


def transform(clients: Clients, request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Run a job to its end; its description, and its answers by key."""
    clients.sagemaker.create_transform_job(**request)
    name = request["TransformJobName"]
    job = until_ended(lambda: clients.sagemaker.describe_transform_job(TransformJobName=name), "TransformJobStatus")
    listed = clients.s3.list_objects_v2(Bucket="bucket", Prefix=f"answers/{name}/").get("Contents", [])
    place = f"answers/{name}/"
    found = {one["Key"]: clients.s3.get_object(Bucket="bucket", Key=one["Key"])["Body"].read() for one in listed}
    return job, {key.removeprefix(place): body for key, body in found.items()}


def test_every_object_has_its_answer(clients: Clients) -> None:
    job, answers = transform(
        clients, transform_request("plain", "s3://bucket/photos/", Tags=[{"Key": "a", "Value": "b"}])
    )
    assert (job["TransformJobStatus"], job.get("FailureReason")) == ("Completed", None)
    assert job["TransformStartTime"] <= job["TransformEndTime"]
    assert job["TransformResources"]["InstanceCount"] == 1
    assert set(answers) == {"a.jpg.out", "below/b.jpg.out"}
    shares = [json.loads(answer) for answer in answers.values()]
    assert all(sum(one) == pytest.approx(1, abs=1e-5) for one in shares)
    group = {"logGroupName": "/aws/sagemaker/TransformJobs", "logStreamNamePrefix": "plain/"}
    assert "2 of 2 files answered" in str(clients.logs.filter_log_events(**group)["events"])
    (summary,) = clients.sagemaker.list_transform_jobs(NameContains="plain")["TransformJobSummaries"]
    assert summary["TransformJobStatus"] == "Completed"
    assert clients.sagemaker.list_tags(ResourceArn=job["TransformJobArn"])["Tags"] == [{"Key": "a", "Value": "b"}]

    # A manifest and records give the same answers, one line for each record; the filter takes one class.
    clients.s3.put_object(Bucket="bucket", Key="some.json", Body=b'[{"prefix": "s3://bucket/"}, "records/all.rec"]')
    source = {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": "s3://bucket/some.json"}}
    request = transform_request(
        "lines",
        "s3://bucket/",
        input={"DataSource": source, "SplitType": "RecordIO", "ContentType": "application/x-recordio"},
        output={"AssembleWith": "Line", "Accept": "application/json"},
        DataProcessing={"OutputFilter": "$[1]"},
    )
    job, answers = transform(clients, request)
    assert job["TransformJobStatus"] == "Completed"
    lines = answers["records/all.rec.out"].splitlines()
    assert [json.loads(line) for line in lines] == pytest.approx([one[1] for one in shares], abs=1e-5)


def test_what_cannot_be_answered_fails_the_job_alone(clients: Clients) -> None:
    request = transform_request("mixed", "s3://bucket/mixed", MaxPayloadInMB=1)
    job, answers = transform(clients, request)
    assert job["TransformJobStatus"] == "Failed"
    assert "large.jpg has more than the 1 MB that MaxPayloadInMB allows" in job["FailureReason"]
    assert set(answers) == {"a.jpg.out", "all.rec.out"}
    # One request of two images has one answer.
    assert len(json.loads(answers["all.rec.out"])) == 2
    log = {"logGroupName": "/aws/sagemaker/TransformJobs", "logStreamNamePrefix": "mixed/"}
    assert "broken.jpg" in str(clients.logs.filter_log_events(**log)["events"])


def test_jobs_are_stopped_at_work_and_before(clients: Clients) -> None:
    for name in ("at-work", "waiting"):
        clients.sagemaker.create_transform_job(**transform_request(name, "s3://bucket/photos/"))
    for name in ("waiting", "at-work"):
        clients.sagemaker.stop_transform_job(TransformJobName=name)
        job = clients.sagemaker.describe_transform_job(TransformJobName=name)
        assert job["TransformJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="is Stopped, not InProgress"):
        clients.sagemaker.stop_transform_job(TransformJobName="waiting")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ModelName": "nobody"}, ['Could not find model "arn:', "model/nobody"]),
        ({"input": {"SplitType": "Line", "CompressionType": "Gzip"}}, ["2 validation", "SplitType is Line", "is Gzip"]),
        ({"input": {"ContentType": "text/csv"}}, ["Content-Type is 'text/csv'"]),
        ({"output": {"Accept": "image/png"}}, ["Accept is 'image/png'", "application/jsonlines"]),
        ({"output": {"S3OutputPath": "s3://no-such/answers"}}, ["S3OutputPath", "no-such"]),
        ({"output": {"S3OutputPath": "s3://bucket/a/../b"}}, ["S3OutputPath", "'a/../b/' cannot be"]),
        ({"DataProcessing": {"JoinSource": "Input"}}, ["InputFilter and JoinSource"]),
        ({"DataProcessing": {"OutputFilter": "$.a["}}, ["OutputFilter is '$.a['"]),
        ({"MaxConcurrentTransforms": 20}, ["MaxConcurrentTransforms * MaxPayloadInMB is 120"]),
        (
            {"input": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/nothing/"}}}},
            ["TransformInput: no object's key begins"],
        ),
    ],
)
def test_a_bad_request_is_refused(clients: Clients, changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ClientError) as error:
        clients.sagemaker.create_transform_job(**transform_request("bad", "s3://bucket/photos/", **changes))
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert all(word in str(error.value) for word in words), str(error.value)
    with pytest.raises(ClientError, match="not found"):
        clients.sagemaker.describe_transform_job(TransformJobName="bad")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", {"a": [1, 2, 3], "b": {"c d": "x"}}),
        ("$.a", [1, 2, 3]),
        ("$['b']['c d']", "x"),
        ("$.a[0]", 1),
        ("$.a[-1]", 3),
        ("$.a[0, 2]", [1, 3]),
        ("$.a[1:]", [2, 3]),
        ("$.a[*]", [1, 2, 3]),
        ("$.b.*", ["x"]),
        ("$['a','z']", [[1, 2, 3]]),
        ("$.z", None),
        ("$.a[9]", None),
    ],
)
def test_a_filter_finds_parts_of_json(path: str, found: Any) -> None:
    answer = b'{"a": [1, 2, 3], "b": {"c d": "x"}}'
    if found is None:
        with pytest.raises(ValueError, match="no such part"):
            OutputFilter.read(path).apply(answer)
    else:
        assert json.loads(OutputFilter.read(path).apply(answer)) == found


@pytest.mark.parametrize("path", ["", "a", "$a", "$[", "$['a]", "$[a]", "$..a"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"begins with \$|is none of"):
        OutputFilter.read(path)

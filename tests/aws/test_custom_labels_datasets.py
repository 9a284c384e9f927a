"""Data sets of Custom Labels by a stock client: entries, labels, changes, and what is wrong with manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.aws.custom_labels import boxes, manifest, one_label, write_digits
from tests.aws.endpoint import Clients, local_endpoint
from vision.aws.rekognition import dataset_entries
from vision.aws.rekognition.resources import DATASET
from vision.aws.settings import AwsSettings
from vision.aws.workplace import Workplace

LINE = "s3://bucket/images/0-0.png"
MANY = [one_label(f"s3://bucket/{number}.png", f"label {number}") for number in range(251)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aws")


@pytest.fixture(scope="module")
def clients(root: Path) -> Iterator[Clients]:
    # No model of this server is trained to the end.
    with local_endpoint(root, train_words="hp.epochs=none") as clients:
        clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        clients.s3.create_bucket(Bucket="other", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield clients


@pytest.fixture(scope="module")
def lines(root: Path) -> list[dict[str, Any]]:
    return write_digits(root / "bucket/images", "s3://bucket/images", classes=2, count=5)


@pytest.fixture
def project(clients: Clients) -> Iterator[str]:
    """A project that is gone afterwards, with all that it has."""
    arn = clients.rekognition.create_project(ProjectName="project")["ProjectArn"]
    yield arn
    rekognition = clients.rekognition
    (described,) = rekognition.describe_projects(ProjectNames=["project"])["ProjectDescriptions"]
    for version in rekognition.describe_project_versions(ProjectArn=arn)["ProjectVersionDescriptions"]:
        rekognition.delete_project_version(ProjectVersionArn=version["ProjectVersionArn"])
    for dataset in described["Datasets"]:
        rekognition.delete_dataset(DatasetArn=dataset["DatasetArn"])
    rekognition.delete_project(ProjectArn=arn)


def source(clients: Clients, body: bytes) -> dict[str, Any]:
    """Put a manifest into the bucket and return it as a source."""
    clients.s3.put_object(Bucket="bucket", Key="a.manifest", Body=body)
    return {"GroundTruthManifest": {"S3Object": {"Bucket": "bucket", "Name": "a.manifest"}}}


def create(clients: Clients, project: str, body: bytes | None, kind: str = "TRAIN") -> str:
    given = {} if body is None else {"DatasetSource": source(clients, body)}
    return str(clients.rekognition.create_dataset(ProjectArn=project, DatasetType=kind, **given)["DatasetArn"])


def test_entries_are_listed_filtered_changed_and_copied(
    clients: Clients, project: str, lines: list[dict[str, Any]]
) -> None:
    rekognition = clients.rekognition
    unlabeled = {"source-ref": "s3://bucket/images/none.png"}
    small = boxes(lines[0]["source-ref"], 64, [("dog", (0, 0, 20, 20)), ("dog", (0, 0, 1, 1)), ("cat", (5, 5, 9, 9))])
    dataset = create(clients, project, manifest([small, *lines[1:4], unlabeled]))
    described = rekognition.describe_dataset(DatasetArn=dataset)["DatasetDescription"]
    assert described["DatasetStats"] == {
        "LabeledEntries": 4,
        "TotalEntries": 5,
        "TotalLabels": 3,
        # The box of a pixel; and the image that does not exist.
        "ErrorEntries": 2,
    }
    labels = rekognition.list_dataset_labels(DatasetArn=dataset)["DatasetLabelDescriptions"]
    assert labels == [
        {"LabelName": "cat", "LabelStats": {"EntryCount": 1, "BoundingBoxCount": 1}},
        {"LabelName": "digit 0", "LabelStats": {"EntryCount": 3, "BoundingBoxCount": 0}},
        {"LabelName": "dog", "LabelStats": {"EntryCount": 1, "BoundingBoxCount": 1}},
    ]

    def listed(**filters: Any) -> list[dict[str, Any]]:
        pages = rekognition.get_paginator("list_dataset_entries").paginate(
            DatasetArn=dataset, PaginationConfig={"PageSize": 2}, **filters
        )
        return [json.loads(text) for page in pages for text in page["DatasetEntries"]]

    references = [entry["source-ref"] for entry in listed()]
    assert references == [line["source-ref"] for line in (small, *lines[1:4], unlabeled)]
    assert [entry["source-ref"] for entry in listed(Labeled=False)] == [unlabeled["source-ref"]]
    assert [entry["source-ref"] for entry in listed(ContainsLabels=["cat", "none"])] == [small["source-ref"]]
    assert [entry["source-ref"] for entry in listed(SourceRefContains="/none")] == [unlabeled["source-ref"]]
    wrong = listed(HasErrors=True)
    assert [entry["source-ref"] for entry in wrong] == [small["source-ref"], unlabeled["source-ref"]]
    assert wrong[0]["bb"]["annotations"][1]["cl-errors"][0]["code"] == "ERROR_BOUNDING_BOX_TOO_SMALL"
    assert wrong[1]["cl-errors"][0]["code"] == "ERROR_INVALID_IMAGE"

    changes = [one_label(small["source-ref"], "bird"), lines[4]]
    rekognition.update_dataset_entries(DatasetArn=dataset, Changes={"GroundTruth": manifest(changes)})
    described = rekognition.describe_dataset(DatasetArn=dataset)["DatasetDescription"]
    assert (described["Status"], described["DatasetStats"]["TotalEntries"]) == ("UPDATE_COMPLETE", 6)
    assert [entry["source-ref"] for entry in listed(ContainsLabels=["bird"])] == [small["source-ref"]]
    assert [entry["source-ref"] for entry in listed()] == [*references, lines[4]["source-ref"]]
    copy = rekognition.create_dataset(ProjectArn=project, DatasetType="TEST", DatasetSource={"DatasetArn": dataset})[
        "DatasetArn"
    ]
    entries = [rekognition.list_dataset_entries(DatasetArn=arn)["DatasetEntries"] for arn in (dataset, copy)]
    assert entries[0] == entries[1]
    with pytest.raises(rekognition.exceptions.InvalidParameterException):
        rekognition.distribute_dataset_entries(Datasets=[{"Arn": dataset}, {"Arn": copy}])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "ERROR_EMPTY_MANIFEST"),
        (b"\x89PNG\r\n\x1a\n", "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT"),
        (manifest([one_label(LINE, "a")]) + b"{\n", "ERROR_TOO_MANY_RECORDS_IN_ERROR"),
        (manifest(MANY), "ERROR_MANIFEST_TOO_MANY_LABELS"),
        (manifest(MANY[:21]), "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM"),
        (manifest([{**one_label(LINE, "a"), "note": "x" * 50_000}]), "ERROR_MANIFEST_SIZE_TOO_LARGE"),
    ],
)
def test_manifests_that_make_no_data_set(
    clients: Clients, project: str, body: bytes, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if code == "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM":
        monkeypatch.setattr(dataset_entries, "MOST_LINES", 20)
    if code == "ERROR_MANIFEST_SIZE_TOO_LARGE":
        monkeypatch.setattr(dataset_entries, "MOST_BYTES", 50_000)
    dataset = create(clients, project, body)
    described = clients.rekognition.describe_dataset(DatasetArn=dataset)["DatasetDescription"]
    assert (described["Status"], described["StatusMessageCode"]) == ("CREATE_FAILED", "CLIENT_ERROR")
    assert code in described["StatusMessage"]
    with pytest.raises(clients.rekognition.exceptions.ResourceNotReadyException):
        clients.rekognition.list_dataset_entries(DatasetArn=dataset)


def test_too_few_images_cannot_be_distributed(clients: Clients, project: str, lines: list[dict[str, Any]]) -> None:
    train, test = create(clients, project, manifest([lines[0], lines[-1]])), create(clients, project, None, "TEST")
    clients.rekognition.distribute_dataset_entries(Datasets=[{"Arn": train}, {"Arn": test}])
    described = clients.rekognition.describe_dataset(DatasetArn=test)["DatasetDescription"]
    assert described["Status"] == "UPDATE_FAILED"
    assert "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE" in described["StatusMessage"]


def moved(line: dict[str, Any], bucket: str) -> dict[str, Any]:
    return {**line, "source-ref": line["source-ref"].replace("bucket", bucket, 1)}


@pytest.mark.parametrize(
    ("train", "test", "code"),
    [
        ("line.line.none.none", "line", "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"),
        ("none.none", "line", "ERROR_FAILED_IMAGES_S3_COPY"),
        ("line.last.elsewhere", "line.last", "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS"),
        ("line.line", "line", "ERROR_MANIFEST_TOO_FEW_LABELS"),
        ("line.line.boxes", "line", "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS"),
        ("line.last", "new.other", "ERROR_INSUFFICIENT_LABEL_OVERLAP"),
        ("line.last", None, "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT"),
    ],
)
def test_data_that_train_no_model(
    clients: Clients, project: str, lines: list[dict[str, Any]], root: Path, train: str, test: str | None, code: str
) -> None:
    """``train`` and ``test`` name the lines of the manifests."""
    first = lines[0]["source-ref"]
    named = {
        "line": lines[0],
        "last": lines[-1],
        "none": one_label("s3://bucket/none.png", "digit 0"),
        "elsewhere": moved(lines[1], "other"),
        "boxes": boxes(first, 64, [("dog", (0, 0, 20, 20))]),
        "new": one_label(first, "new"),
        "other": one_label(first, "other"),
    }
    assets = {}
    for part, words in (("train", train), ("test", test)):
        if words is not None:
            body = manifest(named[word] for word in words.split("."))
            clients.s3.put_object(Bucket="bucket", Key=f"{part}.manifest", Body=body)
            place = {"Bucket": "bucket", "Name": f"{part}.manifest"}
            assets[part] = [{"GroundTruthManifest": {"S3Object": place}}]
    arn = clients.rekognition.create_project_version(
        ProjectArn=project,
        VersionName="v1",
        OutputConfig={"S3Bucket": "bucket", "S3KeyPrefix": "out"},
        TrainingData={"Assets": assets["train"]},
        TestingData={"Assets": assets["test"]} if test else {"AutoCreate": True},
    )["ProjectVersionArn"]
    named_version = {"ProjectArn": project, "VersionNames": ["v1"]}
    (described,) = clients.rekognition.describe_project_versions(**named_version)["ProjectVersionDescriptions"]
    assert described["Status"] == "TRAINING_FAILED"
    assert code in described["StatusMessage"]
    summary = (root / "bucket" / described["ManifestSummary"]["S3Object"]["Name"]).read_text()
    assert code in summary
    assert "EvaluationResult" not in described
    with pytest.raises(clients.rekognition.exceptions.ResourceInUseException):
        clients.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    image = {"S3Object": {"Bucket": "bucket", "Name": "images/0-0.png"}}
    with pytest.raises(clients.rekognition.exceptions.ResourceNotReadyException):
        clients.rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=image)


def test_a_manifest_that_is_gone_fails_the_training(clients: Clients, project: str) -> None:
    place = {"GroundTruthManifest": {"S3Object": {"Bucket": "bucket", "Name": "gone.manifest"}}}
    clients.rekognition.create_project_version(
        ProjectArn=project,
        VersionName="v1",
        OutputConfig={"S3Bucket": "bucket", "S3KeyPrefix": ""},
        TrainingData={"Assets": [place]},
        TestingData={"AutoCreate": True},
    )
    named = {"ProjectArn": project, "VersionNames": ["v1"]}
    (described,) = clients.rekognition.describe_project_versions(**named)["ProjectVersionDescriptions"]
    assert described["Status"] == "TRAINING_FAILED"
    assert "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT" in described["StatusMessage"]
    assert "gone.manifest" in described["StatusMessage"]


def test_a_training_that_fails_says_why(
    clients: Clients, project: str, lines: list[dict[str, Any]], root: Path
) -> None:
    train, test = create(clients, project, manifest(lines)), create(clients, project, None, "TEST")
    clients.rekognition.distribute_dataset_entries(Datasets=[{"Arn": train}, {"Arn": test}])
    clients.rekognition.create_project_version(
        ProjectArn=project, VersionName="v1", OutputConfig={"S3Bucket": "bucket", "S3KeyPrefix": ""}
    )
    named = {"ProjectArn": project, "VersionNames": ["v1"]}
    (described,) = clients.rekognition.describe_project_versions(**named)["ProjectVersionDescriptions"]
    assert described["Status"] == "TRAINING_FAILED"
    assert described["StatusMessage"].startswith("vision train failed: Hyperparameter epochs is 'none'")
    log = clients.logs.filter_log_events(logGroupName="/aws/rekognition/ProjectVersions")["events"]
    assert described["StatusMessage"] == log[-1]["message"]
    assert not list((root / ".vision/custom-labels/versions").glob("*/run"))


def test_a_data_set_that_a_killed_server_changed_is_counted_again(tmp_path: Path) -> None:
    lines = write_digits(tmp_path / "bucket/images", "s3://bucket/images", classes=2, count=2)
    with local_endpoint(tmp_path) as clients:
        project = clients.rekognition.create_project(ProjectName="project")["ProjectArn"]
        dataset = create(clients, project, manifest(lines[:2]))
    workplace = Workplace.open(AwsSettings.parse({"root": str(tmp_path)}))
    (resource,) = workplace.registry.all(DATASET)
    workplace.registry.update(DATASET, resource.name, status="UPDATE_IN_PROGRESS")
    (file,) = (tmp_path / ".vision/custom-labels/datasets").iterdir()
    file.write_bytes(manifest(lines))
    with local_endpoint(tmp_path) as clients:
        described = clients.rekognition.describe_dataset(DatasetArn=dataset)["DatasetDescription"]
        assert (described["Status"], described["StatusMessageCode"]) == ("UPDATE_FAILED", "SERVICE_ERROR")
        assert described["DatasetStats"]["TotalEntries"] == 4

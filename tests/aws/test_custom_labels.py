"""The life of a Custom Labels model by a stock client, in the order of the service's own samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from tests.aws.custom_labels import manifest, one_label, write_digits, write_scenes
from tests.aws.endpoint import Clients, local_endpoint
from vision.aws.registry import Registry
from vision.aws.rekognition.resources import VERSION
from vision.cli.main import main

pytestmark = pytest.mark.timeout(900)

ONE_EPOCH = "hp.epochs=1"
FAST = {"Delay": 1}
NO_PROJECT = "arn:aws:rekognition:us-east-1:123456789012:project/none/9"
OUTPUT = {"S3Bucket": "bucket", "S3KeyPrefix": "out/"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A name that shells, Hydra and URLs read as something else.
    return tmp_path_factory.mktemp("my root, a=b")


@pytest.fixture(scope="module")
def clients(root: Path) -> Iterator[Clients]:
    with local_endpoint(root, train_words=ONE_EPOCH) as clients:
        clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield clients


def of_bucket(name: str) -> dict[str, Any]:
    return {"GroundTruthManifest": {"S3Object": {"Bucket": "bucket", "Name": name}}}


def describe(clients: Clients, project: str, version: str) -> dict[str, Any]:
    names = {"ProjectArn": project, "VersionNames": [version]}
    (found,) = clients.rekognition.describe_project_versions(**names)["ProjectVersionDescriptions"]
    return dict(found)


def content(root: Path, part: dict[str, Any]) -> str:
    """Return the file that a part of an answer names."""
    return (root / part["S3Object"]["Bucket"] / part["S3Object"]["Name"]).read_text()


def f1_of_evaluate(root: Path, arn: str, folder: Path) -> float:
    """Return the F1 that the command line says of a version's model on its test images."""
    place = root / ".vision/custom-labels/versions" / arn.rpartition("/")[2]
    words = [f"model={place / 'run'}", f"channels.validation={place / 'data/testing.manifest'}"]
    assert main(["evaluate", *words, f"output={folder / 'evaluation.json'}"]) == 0
    (summary,) = folder.glob("EvaluationSummary-*.json")
    f1: float = json.loads(summary.read_text())["AggregatedEvaluationResults"]["F1Score"]
    return f1


def test_the_life_of_a_classifier(clients: Clients, root: Path, tmp_path: Path) -> None:
    rekognition = clients.rekognition
    lines = write_digits(root / "bucket/digits", "s3://bucket/digits", classes=2, count=10)
    clients.s3.put_object(Bucket="bucket", Key="digits.manifest", Body=manifest(lines))

    project = rekognition.create_project(ProjectName="digits")["ProjectArn"]
    assert project.startswith("arn:aws:rekognition:eu-west-1:123456789012:project/digits/")
    train = rekognition.create_dataset(
        ProjectArn=project, DatasetType="TRAIN", DatasetSource=of_bucket("digits.manifest")
    )["DatasetArn"]
    described = rekognition.describe_dataset(DatasetArn=train)["DatasetDescription"]
    assert (described["Status"], described["StatusMessageCode"]) == ("CREATE_COMPLETE", "SUCCESS")
    assert described["StatusMessage"] == "The dataset was successfully created from the manifest file."
    test = rekognition.create_dataset(ProjectArn=project, DatasetType="TEST")["DatasetArn"]
    rekognition.distribute_dataset_entries(Datasets=[{"Arn": train}, {"Arn": test}])
    stats = [rekognition.describe_dataset(DatasetArn=arn)["DatasetDescription"] for arn in (train, test)]
    assert [one["DatasetStats"]["TotalEntries"] for one in stats] == [16, 4]
    assert [one["Status"] for one in stats] == ["UPDATE_COMPLETE"] * 2

    version = rekognition.create_project_version(ProjectArn=project, VersionName="v1", OutputConfig=OUTPUT)
    arn = version["ProjectVersionArn"]
    for delete in (
        lambda: rekognition.delete_dataset(DatasetArn=train),
        lambda: rekognition.delete_project_version(ProjectVersionArn=arn),
        lambda: rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1),
    ):
        with pytest.raises(rekognition.exceptions.ResourceInUseException):
            delete()
    waiting = {"ProjectArn": project, "VersionNames": ["v1"], "WaiterConfig": FAST}
    rekognition.get_waiter("project_version_training_completed").wait(**waiting)
    described = describe(clients, project, "v1")
    assert described["Status"] == "TRAINING_COMPLETED"
    assert described["StatusMessage"] == "The model is ready to run."
    assert described["BillableTrainingTimeInSeconds"] >= 1

    summary = json.loads(content(root, described["EvaluationResult"]["Summary"]))
    assert described["EvaluationResult"]["Summary"]["S3Object"]["Name"] == "out/EvaluationResultSummary-digits-v1.json"
    assert summary["EvaluationDetails"]["ProjectVersionArn"] == arn
    counts = [summary["EvaluationDetails"][f"NumberOf{part}Images"] for part in ("Training", "Testing")]
    assert counts == [16, 4]
    f1 = described["EvaluationResult"]["F1Score"]
    assert f1 == summary["AggregatedEvaluationResults"]["F1Score"] == f1_of_evaluate(root, arn, tmp_path)
    snapshot = content(root, described["TestingDataResult"]["Output"]["Assets"][0]["GroundTruthManifest"])
    references = [json.loads(line)["source-ref"] for line in snapshot.splitlines()]
    assert set(references) < {line["source-ref"] for line in lines}
    assert "rekognition-custom-labels-evaluation-details" in snapshot
    statistics = json.loads(content(root, described["ManifestSummary"]))["statistics"]
    assert statistics["training"]["use_case"] == "IMAGE_LEVEL_LABELS"
    assert (statistics["training"]["valid_json_lines"], statistics["testing"]["valid_json_lines"]) == (16, 4)

    image = {"S3Object": {"Bucket": "bucket", "Name": lines[0]["source-ref"].removeprefix("s3://bucket/")}}
    with pytest.raises(rekognition.exceptions.ResourceNotReadyException):
        rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=image)
    started = rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    assert started["Status"] == "STARTING"
    rekognition.get_waiter("project_version_running").wait(**waiting)
    assert describe(clients, project, "v1")["MinInferenceUnits"] == 1

    every = rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=image, MinConfidence=0)["CustomLabels"]
    assert sorted(label["Name"] for label in every) == ["digit 0", "digit 1"]
    assert [label["Confidence"] for label in every] == sorted((one["Confidence"] for one in every), reverse=True)
    one = rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=image, MinConfidence=0, MaxResults=1)
    assert one["CustomLabels"] == every[:1]
    file = (root / "bucket" / image["S3Object"]["Name"]).read_bytes()
    thresholds = {one["Label"]: 100 * one["Metrics"]["Threshold"] for one in summary["LabelEvaluationResults"]}
    own = rekognition.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": file})["CustomLabels"]
    assert own == [label for label in every if label["Confidence"] >= thresholds[label["Name"]] - 1e-4]

    with urlopen(f"{clients.address}/report?{urlencode({'kind': 'project-version', 'name': arn[43:]})}") as answer:
        assert b"<h2>Per class" in answer.read()

    copied = rekognition.copy_project_version(
        SourceProjectArn=project,
        SourceProjectVersionArn=arn,
        DestinationProjectArn=project,
        VersionName="v2",
        OutputConfig=OUTPUT,
    )["ProjectVersionArn"]
    copy = describe(clients, project, "v2")
    assert (copy["Status"], copy["SourceProjectVersionArn"]) == ("COPYING_COMPLETED", arn)
    assert copy["EvaluationResult"]["F1Score"] == f1
    assert (root / "bucket/out/EvaluationResultSummary-digits-v2.json").exists()
    versions = rekognition.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
    assert [one["ProjectVersionArn"] for one in versions] == [copied, arn]
    rekognition.delete_project_version(ProjectVersionArn=copied)

    with pytest.raises(rekognition.exceptions.ResourceInUseException):
        rekognition.delete_project_version(ProjectVersionArn=arn)
    assert rekognition.stop_project_version(ProjectVersionArn=arn)["Status"] == "STOPPING"
    assert describe(clients, project, "v1")["Status"] == "STOPPED"
    with pytest.raises(rekognition.exceptions.ResourceInUseException):
        rekognition.delete_project(ProjectArn=project)
    rekognition.delete_project_version(ProjectVersionArn=arn)
    for dataset in (train, test):
        rekognition.delete_dataset(DatasetArn=dataset)
    assert rekognition.delete_project(ProjectArn=project)["Status"] == "DELETING"
    assert rekognition.describe_projects(ProjectNames=["digits"])["ProjectDescriptions"] == []
    assert list((root / ".vision/custom-labels/versions").iterdir()) == []


def test_a_detector_of_manifests_comes_back_with_the_next_server(tmp_path: Path) -> None:
    root = tmp_path / "root"
    lines = write_scenes(root / "bucket/scenes", "s3://bucket/scenes", count=10)
    (root / "bucket/scenes.manifest").write_bytes(manifest(lines))
    call = {"Image": {"S3Object": {"Bucket": "bucket", "Name": "scenes/0.jpg"}}, "MinConfidence": 0}
    with local_endpoint(root, train_words=ONE_EPOCH) as clients:
        project = clients.rekognition.create_project(ProjectName="scenes")["ProjectArn"]
        request = {
            "ProjectArn": project,
            "OutputConfig": OUTPUT,
            "TrainingData": {"Assets": [of_bucket("scenes.manifest")]},
            "TestingData": {"AutoCreate": True},
        }
        arn = clients.rekognition.create_project_version(VersionName="v1", **request)["ProjectVersionArn"]
        waiting = {"ProjectArn": project, "VersionNames": ["v1"], "WaiterConfig": FAST}
        clients.rekognition.get_waiter("project_version_training_completed").wait(**waiting)
        described = describe(clients, project, "v1")
        assert described["TestingDataResult"]["Input"] == request["TestingData"]
        assert described["TrainingDataResult"]["Input"] == request["TrainingData"]
        statistics = json.loads(content(root, described["ManifestSummary"]))["statistics"]
        assert [statistics[part]["total_json_lines"] for part in ("training", "testing")] == [8, 2]
        summary = json.loads(content(root, described["EvaluationResult"]["Summary"]))
        f1 = summary["AggregatedEvaluationResults"]["F1Score"]
        assert described["EvaluationResult"]["F1Score"] == f1 == f1_of_evaluate(root, arn, tmp_path)
        clients.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
        clients.rekognition.get_waiter("project_version_running").wait(**waiting)
        found = clients.rekognition.detect_custom_labels(ProjectVersionArn=arn, **call)["CustomLabels"]
        assert {label["Name"] for label in found} <= {"digit 0", "digit 1"}
        assert set(found[0]["Geometry"]["BoundingBox"]) == {"Left", "Top", "Width", "Height"}
        clients.rekognition.create_project_version(VersionName="cut", **request)
    own = root / ".vision/custom-labels"
    # What a killed server leaves: a training at work, and what it has not finished to delete.
    registry = Registry(root / ".vision/registry.sqlite")
    (half,) = (one.name for one in registry.all(VERSION) if one.state["version_name"] == "cut")
    registry.update(VERSION, half, status="TRAINING_IN_PROGRESS")
    half_made = own / "versions" / half.rpartition("/")[2] / "run"
    half_made.mkdir(parents=True, exist_ok=True)
    (own / "versions/9").mkdir()
    (own / "datasets/9.manifest").touch()
    with local_endpoint(root) as clients:
        assert sorted(path.name for path in own.rglob("[0-9]*") if path.parent.parent == own) == ["2", "3"]
        cut = describe(clients, project, "cut")
        assert (cut["Status"], "server ended" in cut["StatusMessage"]) == ("TRAINING_FAILED", True)
        assert not half_made.exists()
        clients.rekognition.get_waiter("project_version_running").wait(**waiting)
        again = clients.rekognition.detect_custom_labels(ProjectVersionArn=arn, **call)["CustomLabels"]
        assert again == found


def test_several_labels_an_image(clients: Clients, root: Path, tmp_path: Path) -> None:
    rekognition = clients.rekognition
    lines = write_digits(root / "bucket/several", "s3://bucket/several", classes=2, count=6)
    several = [
        one_label(line["source-ref"], line["kind-0-metadata"]["class-name"], *["odd"] * (number % 2))
        for number, line in enumerate(lines)
    ]
    for name, part in (
        ("several.manifest", several[:4] + several[6:10]),
        ("rest.manifest", several[4:6] + several[10:]),
    ):
        clients.s3.put_object(Bucket="bucket", Key=name, Body=manifest(part))
    project = rekognition.create_project(ProjectName="several")["ProjectArn"]
    arn = rekognition.create_project_version(
        ProjectArn=project,
        VersionName="v1",
        OutputConfig=OUTPUT,
        TrainingData={"Assets": [of_bucket("several.manifest")]},
        TestingData={"Assets": [of_bucket("rest.manifest")]},
    )["ProjectVersionArn"]
    waiting = {"ProjectArn": project, "VersionNames": ["v1"], "WaiterConfig": FAST}
    rekognition.get_waiter("project_version_training_completed").wait(**waiting)
    described = describe(clients, project, "v1")
    summary = json.loads(content(root, described["EvaluationResult"]["Summary"]))
    assert summary["EvaluationDetails"]["Labels"] == ["digit 0", "digit 1", "odd"]
    f1 = summary["AggregatedEvaluationResults"]["F1Score"]
    assert described["EvaluationResult"]["F1Score"] == f1 == f1_of_evaluate(root, arn, tmp_path)
    log = clients.logs.filter_log_events(logGroupName="/aws/rekognition/ProjectVersions", limit=1000)["events"]
    assert any("multi_label: 1" in event["message"] for event in log)


@pytest.mark.parametrize(
    ("operation", "values", "code"),
    [
        ("create_project", {"ProjectName": "taken"}, "ResourceInUseException"),
        ("create_project", {"ProjectName": "new", "Feature": "CONTENT_MODERATION"}, "InvalidParameterException"),
        (
            "delete_project",
            {"ProjectArn": "arn:aws:rekognition:us-east-1:123456789012:project/no/9"},
            "ResourceNotFound",
        ),
        ("delete_project", {"ProjectArn": "arn:aws:s3:::a-bucket-and-no-project"}, "InvalidParameterException"),
        ("describe_projects", {"NextToken": "x"}, "InvalidPaginationTokenException"),
        ("create_dataset", {"DatasetType": "TEST", "DatasetSource": of_bucket("none")}, "InvalidS3ObjectException"),
        ("create_dataset", {"DatasetType": "TRAIN"}, "ResourceAlreadyExistsException"),
        ("create_project_version", {"VersionName": "v", "OutputConfig": OUTPUT}, "InvalidParameterException"),
        ("create_project_version", {"VersionName": "bad", "OutputConfig": OUTPUT}, "InvalidParameterException"),
        ("put_project_policy", {"PolicyName": "p", "PolicyDocument": "no JSON"}, "MalformedPolicyDocumentException"),
        ("delete_project_policy", {"PolicyName": "none"}, "ResourceNotFoundException"),
    ],
)
def test_mistakes_have_the_names_that_clients_test_for(
    clients: Clients, operation: str, values: dict[str, Any], code: str
) -> None:
    project = taken(clients)
    if operation not in ("create_project", "describe_projects"):
        values = {"ProjectArn": project, **values}
    with pytest.raises(ClientError) as error:
        getattr(clients.rekognition, operation)(**values)
    assert error.value.response["Error"]["Code"].startswith(code)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def taken(clients: Clients) -> str:
    """Return the ARN of a project that exists, with an empty training set."""
    found = clients.rekognition.describe_projects(ProjectNames=["taken"])["ProjectDescriptions"]
    if found:
        return str(found[0]["ProjectArn"])
    project: str = clients.rekognition.create_project(ProjectName="taken")["ProjectArn"]
    clients.rekognition.create_dataset(ProjectArn=project, DatasetType="TRAIN")
    return project


def test_policies_have_revisions_and_every_resource_has_tags(clients: Clients) -> None:
    rekognition = clients.rekognition
    project = rekognition.create_project(ProjectName="shared", Tags={"who": "me"})["ProjectArn"]
    policy = {"ProjectArn": project, "PolicyName": "copy", "PolicyDocument": '{"Statement": [{"Effect": "Allow"}]}'}
    first = rekognition.put_project_policy(**policy)["PolicyRevisionId"]
    with pytest.raises(rekognition.exceptions.ResourceAlreadyExistsException):
        rekognition.put_project_policy(**policy)
    second = rekognition.put_project_policy(**policy, PolicyRevisionId=first)["PolicyRevisionId"]
    with pytest.raises(rekognition.exceptions.InvalidPolicyRevisionIdException):
        rekognition.delete_project_policy(ProjectArn=project, PolicyName="copy", PolicyRevisionId=first)
    (listed,) = rekognition.list_project_policies(ProjectArn=project)["ProjectPolicies"]
    assert (listed["PolicyRevisionId"], listed["PolicyDocument"]) == (second, policy["PolicyDocument"])
    rekognition.delete_project_policy(ProjectArn=project, PolicyName="copy")
    rekognition.tag_resource(ResourceArn=project, Tags={"why": "test"})
    rekognition.untag_resource(ResourceArn=project, TagKeys=["who"])
    assert rekognition.list_tags_for_resource(ResourceArn=project)["Tags"] == {"why": "test"}
    rekognition.delete_project(ProjectArn=project)
    # A name may come back, an ARN never does.
    assert rekognition.create_project(ProjectName="shared")["ProjectArn"] != project

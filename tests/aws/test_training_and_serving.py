"""The life of a model by stock clients: upload, train, describe, read the log, serve, ask, delete."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.endpoint import ROLE, Clients, ended_training, training_request
from tests.contract.training_jobs import HYPERPARAMETERS, images, records

pytestmark = pytest.mark.timeout(600)

TEXTS = {name: str(value) for name, value in HYPERPARAMETERS.items()}
CHANNELS = {"train": "s3://bucket/data/train/", "validation": "s3://bucket/data/train/data.rec"}
IMAGE = "813361260812.dkr.ecr.eu-central-1.amazonaws.com/image-classification:1"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture(scope="module")
def trained(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What DescribeTrainingJob says of a job that has ended."""
    clients.s3.upload_file(str(records(tmp_path_factory.mktemp("records"))), "bucket", "data/train/data.rec")
    request = training_request("first", CHANNELS, HyperParameters=TEXTS, Tags=[{"Key": "who", "Value": "me"}])
    arn = clients.sagemaker.create_training_job(**request)["TrainingJobArn"]
    assert arn == "arn:aws:sagemaker:eu-west-1:123456789012:training-job/first"
    clients.sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="first")
    job: dict[str, Any] = clients.sagemaker.describe_training_job(TrainingJobName="first")
    return job


def test_a_job_trains_and_leaves_its_model_in_the_bucket(clients: Clients, trained: dict[str, Any], root: Path) -> None:
    assert (trained["TrainingJobStatus"], trained.get("FailureReason")) == ("Completed", None)
    assert trained["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/output/first/output/model.tar.gz"
    assert (root / "bucket/output/first/output/model.tar.gz").read_bytes()[:2] == b"\x1f\x8b"
    steps = [step["Status"] for step in trained["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert {metric["MetricName"] for metric in trained["FinalMetricDataList"]} >= {"validation:accuracy"}
    # What SDK version 2 reads when it attaches to a job.
    assert trained["OutputDataConfig"]["KmsKeyId"] == ""
    assert trained["HyperParameters"] == TEXTS
    (summary,) = clients.sagemaker.list_training_jobs(NameContains="FIR")["TrainingJobSummaries"]
    assert summary["TrainingJobStatus"] == "Completed"
    assert clients.sagemaker.list_tags(ResourceArn=trained["TrainingJobArn"])["Tags"] == [{"Key": "who", "Value": "me"}]


def test_metrics_are_read_from_cloud_watch(clients: Clients, trained: dict[str, Any]) -> None:
    last = {metric["MetricName"]: metric["Value"] for metric in trained["FinalMetricDataList"]}
    dimensions = [{"Name": "TrainingJobName", "Value": "first"}]
    metric = {"Namespace": LOG_GROUP, "MetricName": "validation:accuracy", "Dimensions": dimensions}
    listed = clients.cloudwatch.list_metrics(Namespace=LOG_GROUP, Dimensions=dimensions)["Metrics"]
    assert {one["MetricName"] for one in listed} == set(last)
    assert metric in listed
    # As the analytics of SDK version 2 ask.
    times = {"StartTime": trained["TrainingStartTime"], "EndTime": trained["TrainingEndTime"] + timedelta(minutes=1)}
    points = clients.cloudwatch.get_metric_statistics(
        **metric, **times, Period=60, Statistics=["Average", "SampleCount", "Maximum"]
    )["Datapoints"]
    assert sum(point["SampleCount"] for point in points) == HYPERPARAMETERS["epochs"]
    assert all(0 <= point["Average"] <= point["Maximum"] <= 1 for point in points)
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
    (result,) = clients.cloudwatch.get_metric_data(MetricDataQueries=[query], **times)["MetricDataResults"]
    assert result["Values"] == [point["Maximum"] for point in reversed(points)]
    for nobody in ("x" * 1000, "../first", "first\0"):
        other = metric | {"Dimensions": [{"Name": "TrainingJobName", "Value": nobody}]}
        assert not clients.cloudwatch.get_metric_statistics(**other, **times, Period=60, Statistics=["Sum"])[
            "Datapoints"
        ]
    with pytest.raises(ClientError, match="statistics"):
        clients.cloudwatch.get_metric_statistics(**metric, **times, Period=60, Statistics=["Median"])


def test_two_instances_train_one_model(clients: Clients, trained: dict[str, Any]) -> None:
    specification = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "own", "Regex": r"Epoch\[(\d+)\] Validation-accuracy"}],
    }
    request = training_request("two", CHANNELS, HyperParameters=TEXTS, AlgorithmSpecification=specification)
    request["ResourceConfig"]["InstanceCount"] = 2
    clients.sagemaker.create_training_job(**request)
    job = ended_training(clients, "two")
    assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/output/two/output/model.tar.gz"
    last = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert last["own"] == HYPERPARAMETERS["epochs"] - 1
    found = clients.logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix="two/")["logStreams"]
    assert [stream["logStreamName"].split("/")[1][:6] for stream in found] == ["algo-1", "algo-2"]


def test_the_log_is_read_page_by_page(clients: Clients, trained: dict[str, Any]) -> None:
    (stream,) = clients.logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix="first/")["logStreams"]
    groups = clients.logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/T")["logGroups"]
    assert [group["logGroupName"] for group in groups] == [LOG_GROUP]
    place = {"logGroupName": LOG_GROUP, "logStreamName": stream["logStreamName"]}
    whole = [event["message"] for event in clients.logs.get_log_events(**place, startFromHead=True)["events"]]
    assert any("Validation-accuracy=" in line for line in whole)
    pages, token = [], None
    while True:
        options = {"nextToken": token} if token else {"startFromHead": True}
        page = clients.logs.get_log_events(**place, limit=7, **options)
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
        pages += [event["message"] for event in page["events"]]
    assert pages == whole
    assert page["events"] == []


def test_a_model_is_served_asked_and_deleted(clients: Clients, trained: dict[str, Any]) -> None:
    sagemaker = clients.sagemaker
    address = trained["ModelArtifacts"]["S3ModelArtifacts"]
    container = {"Image": IMAGE, "ModelDataUrl": address}
    sagemaker.create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": "model", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName="config", ProductionVariants=[{**variant, "InstanceType": "ml.m4.xlarge"}]
    )
    sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="endpoint", WaiterConfig={"Delay": 1})
    _, image = next(images())
    call = {"EndpointName": "endpoint", "Body": image, "ContentType": "image/png"}
    answer = json.loads(clients.sagemaker_runtime.invoke_endpoint(**call)["Body"].read())
    assert len(answer) == 2
    assert sum(answer) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ClientError) as error:
        clients.sagemaker_runtime.invoke_endpoint(**call | {"Body": b"no image"})
    assert error.value.response["Error"]["Code"] == "ModelError"
    # The old process answers until the new one does.
    sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    while True:
        assert json.loads(clients.sagemaker_runtime.invoke_endpoint(**call)["Body"].read()) == answer
        if clients.sagemaker.list_endpoints()["Endpoints"][0]["EndpointStatus"] == "InService":
            break
    sagemaker.delete_endpoint(EndpointName="endpoint")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="endpoint", WaiterConfig={"Delay": 1})
    with pytest.raises(ClientError) as gone:
        clients.sagemaker_runtime.invoke_endpoint(**call)
    assert "does not exist" in str(gone.value)
    sagemaker.delete_endpoint_config(EndpointConfigName="config")
    sagemaker.delete_model(ModelName="model")
    assert sagemaker.list_models()["Models"] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RoleArn": "arn:aws:iam::12:role/somebody"}, ["'roleArn'", "regular expression"]),
        ({"HyperParameters": {**TEXTS, "num_layers": "21", "epochs": "x"}}, ["2 validation", "num_layers", "epochs"]),
        (
            {"AlgorithmSpecification": {"TrainingImage": "x/xgboost:1", "TrainingInputMode": "File"}},
            ["xgboost", "image-classification"],
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 17, "VolumeSizeInGB": 1}},
            ["'resourceConfig.instanceCount'", "less than or equal to 16"],
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "a", "Regex": "a=(.*"}, {"Name": "b", "Regex": "b"}],
                }
            },
            ["2 validation errors", "metricDefinitions.0.regex", "regular expression (", "must have a group"],
        ),
        ({"OutputDataConfig": {"S3OutputPath": "s3://no-such/output"}}, ["S3OutputPath", "no-such"]),
        (
            {"OutputDataConfig": {"S3OutputPath": "s3://bucket/data/train/data.rec/a"}},
            ["'data/train/data.rec' is an object"],
        ),
        (
            {"InputDataConfig": training_request("x", {"train": "s3://bucket/none/"})["InputDataConfig"]},
            ["bucket/none"],
        ),
    ],
)
def test_a_bad_request_is_refused_with_all_its_problems_and_leaves_nothing(
    clients: Clients, trained: dict[str, Any], root: Path, changes: dict[str, Any], words: list[str]
) -> None:
    request = training_request("bad", CHANNELS, **{"HyperParameters": TEXTS, **changes})
    with pytest.raises(ClientError) as error:
        clients.sagemaker.create_training_job(**request)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert all(word in str(error.value) for word in words), str(error.value)
    with pytest.raises(ClientError, match="not found"):
        clients.sagemaker.describe_training_job(TrainingJobName="bad")
    assert not (root / ".vision/jobs/bad").exists()


def test_a_name_is_taken_once(clients: Clients, trained: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        clients.sagemaker.create_training_job(**training_request("first", CHANNELS, HyperParameters=TEXTS))
    assert error.value.response["Error"]["Code"] == "ResourceInUse"


def test_a_stopped_job_keeps_the_model_it_has(clients: Clients, trained: dict[str, Any]) -> None:
    many = {**TEXTS, "epochs": "100000"}
    clients.sagemaker.create_training_job(**training_request("long", CHANNELS, HyperParameters=many))
    place = {"logGroupName": LOG_GROUP, "logStreamNamePrefix": "long/"}
    while "Validation-accuracy" not in str(_log(clients, place)):
        assert clients.sagemaker.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
    clients.sagemaker.stop_training_job(TrainingJobName="long")
    job = ended_training(clients, "long")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/output/long/output/model.tar.gz"


def _log(clients: Clients, place: dict[str, str]) -> list[str]:
    try:
        events = clients.logs.filter_log_events(**place)["events"]
    except ClientError:
        return []
    return [event["message"] for event in events]


def test_a_failed_job_says_why(clients: Clients, trained: dict[str, Any]) -> None:
    clients.s3.put_object(Bucket="bucket", Key="broken/data.rec", Body=b"not a record file" * 40)
    channels = {"train": "s3://bucket/data/train/", "validation": "s3://bucket/broken/"}
    clients.sagemaker.create_training_job(**training_request("broken", channels, HyperParameters=TEXTS))
    job = ended_training(clients, "broken")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert re.match(r"ClientError: .*data\.rec.*, exit code: 2$", job["FailureReason"], re.DOTALL)
    assert "ModelArtifacts" not in job


def test_everybody_is_one_role(clients: Clients) -> None:
    assert clients.sts.get_caller_identity()["Arn"].endswith(":assumed-role/vision/local")
    trust = clients.iam.get_role(RoleName="vision")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    allowed = clients.iam.simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=["s3:GetObject"])
    assert [one["EvalDecision"] for one in allowed["EvaluationResults"]] == ["allowed"]

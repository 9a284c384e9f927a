"""What befalls training jobs, by stock clients. The jobs run a program that learns nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from tests.aws.endpoint import Clients, ended_training, local_endpoint, training_request
from tests.contract.training_jobs import HYPERPARAMETERS, records
from vision.aws.s3.buckets import Buckets
from vision.aws.sagemaker.channel_data import find_objects
from vision.aws.sagemaker.training_request import S3Source
from vision.settings.errors import UserError

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("no_training")]

TEXTS = {name: str(value) for name, value in HYPERPARAMETERS.items()}
SLOW = TEXTS | {"epochs": "1000", "run.stall_timeout_s": "0.1"}
CHANNELS = {"train": "s3://bucket/train/", "validation": "s3://bucket/train/"}


@pytest.fixture(scope="module", autouse=True)
def data(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> None:
    clients.s3.upload_file(str(records(tmp_path_factory.mktemp("records"))), "bucket", "train/data.rec")


def test_a_job_that_takes_too_long_is_stopped_and_keeps_its_model(clients: Clients) -> None:
    request = training_request("late", CHANNELS, HyperParameters=SLOW, StoppingCondition={"MaxRuntimeInSeconds": 1})
    clients.sagemaker.create_training_job(**request)
    job = ended_training(clients, "late")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("/late/output/model.tar.gz")


def test_a_model_may_be_stored_as_files(clients: Clients, root: Path) -> None:
    output = {"S3OutputPath": "s3://bucket/plain/", "CompressionType": "NONE"}
    request = training_request("files", CHANNELS, HyperParameters=TEXTS, OutputDataConfig=output)
    clients.sagemaker.create_training_job(**request)
    job = ended_training(clients, "files")
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/plain/files/output/model/"
    assert (root / "bucket/plain/files/output/model/model.json").is_file()


def test_the_names_of_a_manifest_stay_in_the_channel(clients: Clients, root: Path) -> None:
    for folder in ("train", "train.."):
        clients.s3.copy_object(Bucket="bucket", Key=f"named/{folder}/a.rec", CopySource="bucket/train/data.rec")
    outside = root / "outside"
    names = ["/a.rec", "../a.rec", "/a.rec"]
    entries = [{"prefix": "s3://bucket/named/train"}, *names]
    buckets = Buckets(root)
    clients.s3.put_object(Bucket="bucket", Key="named.json", Body=json.dumps(entries).encode())
    source = S3Source.read({"S3DataType": "ManifestFile", "S3Uri": "s3://bucket/named.json"})
    outside.mkdir()
    find_objects(buckets, source).link_into(outside / "channel")
    assert [path.name for path in outside.iterdir()] == ["channel"]
    assert [path.name for path in (outside / "channel").iterdir()] == ["a.rec"]


@pytest.mark.parametrize("entry", ["/", "", "/.."])
def test_an_entry_of_a_manifest_that_names_no_object_is_refused(clients: Clients, root: Path, entry: str) -> None:
    clients.s3.copy_object(Bucket="bucket", Key="named/train/a.rec", CopySource="bucket/train/data.rec")
    entries = [{"prefix": "s3://bucket/named/train"}, entry]
    clients.s3.put_object(Bucket="bucket", Key="entry.json", Body=json.dumps(entries).encode())
    source = S3Source.read({"S3DataType": "ManifestFile", "S3Uri": "s3://bucket/entry.json"})
    with pytest.raises(UserError, match=f"holds the entry '{entry}', which names no object"):
        find_objects(Buckets(root), source)


def test_a_job_that_waits_is_stopped_at_once(clients: Clients) -> None:
    for name in ("at-work", "waiting"):
        clients.sagemaker.create_training_job(**training_request(name, CHANNELS, HyperParameters=SLOW))
    for name in ("waiting", "at-work"):
        clients.sagemaker.stop_training_job(TrainingJobName=name)
        job = ended_training(clients, name)
        assert job["TrainingJobStatus"] == "Stopped"
        steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
        assert (steps[0], steps[-1]) == ("Starting", "Stopped")
        assert "Stopping" in steps
        with pytest.raises(ClientError, match=f"training job {name} is Stopped, not InProgress"):
            clients.sagemaker.stop_training_job(TrainingJobName=name)


def test_the_name_of_a_deleted_job_is_free(clients: Clients) -> None:
    request = training_request("deleted", CHANNELS, HyperParameters=SLOW)
    clients.sagemaker.create_training_job(**request)
    with pytest.raises(ClientError, match="has not ended: stop it first"):
        clients.sagemaker.delete_training_job(TrainingJobName="deleted")
    clients.sagemaker.stop_training_job(TrainingJobName="deleted")
    ended_training(clients, "deleted")
    clients.sagemaker.delete_training_job(TrainingJobName="deleted")
    clients.sagemaker.create_training_job(**request | {"HyperParameters": TEXTS})
    job = ended_training(clients, "deleted")
    assert job["TrainingJobStatus"] == "Completed"
    assert {one["MetricName"] for one in job["FinalMetricDataList"]} == {"validation:accuracy"}


def test_jobs_at_once_share_the_gpus_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    with local_endpoint(tmp_path / "root") as clients:
        clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        clients.s3.upload_file(str(records(tmp_path)), "bucket", "train/data.rec")
        slow = TEXTS | {"epochs": "20", "run.stall_timeout_s": "0.1"}
        for name in ("one", "two"):
            clients.sagemaker.create_training_job(**training_request(name, CHANNELS, HyperParameters=slow))
        jobs = [ended_training(clients, name) for name in ("one", "two")]
        logs = [log(clients, f"{name}/") for name in ("one", "two")]
    assert jobs[1]["TrainingStartTime"] < jobs[0]["TrainingEndTime"]
    assert sorted(line for lines in logs for line in lines if line.startswith("GPUs")) == ["GPUs 3", "GPUs 5"]


def log(clients: Clients, prefix: str) -> list[str]:
    group = "/aws/sagemaker/TrainingJobs"
    events = clients.logs.filter_log_events(logGroupName=group, logStreamNamePrefix=prefix)["events"]
    return [event["message"] for event in events]


def test_a_place_that_can_hold_no_output_is_refused(clients: Clients) -> None:
    output = {"S3OutputPath": "s3://bucket/../outside"}
    kept = {"S3Uri": "s3://bucket//checkpoints"}
    request = training_request(
        "places", CHANNELS, HyperParameters=TEXTS, OutputDataConfig=output, CheckpointConfig=kept
    )
    with pytest.raises(ClientError, match=r"2 validation errors.*S3OutputPath is .*CheckpointConfig.S3Uri is "):
        clients.sagemaker.create_training_job(**request)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("train", "channel train is given twice"),
        ("..", "'inputDataConfig.2.channelName' .*must be the name of a folder"),
    ],
)
def test_a_channel_that_can_have_no_folder_is_refused(clients: Clients, name: str, words: str) -> None:
    request = training_request("folders", CHANNELS, HyperParameters=TEXTS)
    request["InputDataConfig"].append(request["InputDataConfig"][0] | {"ChannelName": name})
    with pytest.raises(ClientError, match=words):
        clients.sagemaker.create_training_job(**request)


@pytest.mark.parametrize("tags", ["text", ["text"], [{"Value": "no key"}]])
def test_malformed_tags_are_refused(clients: Clients, tags: Any) -> None:
    # The clients' own checks would not let them pass.
    headers = {
        "X-Amz-Target": "SageMaker.CreateTrainingJob",
        "Authorization": "AWS4-HMAC-SHA256 Credential=any/20260101/eu-west-1/sagemaker/aws4_request",
    }
    request = training_request("tagged", CHANNELS, HyperParameters=TEXTS, Tags=tags)
    with pytest.raises(HTTPError) as error:
        urlopen(Request(clients.address, json.dumps(request).encode(), headers))
    assert error.value.code == 400
    answer = json.loads(error.value.read())
    assert answer["__type"] == "ValidationException"
    assert "'tags" in answer["message"]


def test_a_word_that_is_none_of_an_enumeration_is_refused_in_the_words_of_the_service(clients: Clients) -> None:
    request = training_request("mode", CHANNELS, HyperParameters=TEXTS)
    request["AlgorithmSpecification"]["TrainingInputMode"] = "Disk"
    wanted = r"Value 'Disk' at 'algorithmSpecification\.trainingInputMode' .* enum value set: \[File, FastFile, Pipe\]"
    with pytest.raises(ClientError, match=wanted):
        clients.sagemaker.create_training_job(**request)


@pytest.mark.parametrize(
    ("call", "given", "words"),
    [
        ("training_jobs", {"StatusEquals": "Done"}, r"'statusEquals' .* \[InProgress, Completed, Failed, Stopping, "),
        ("transform_jobs", {"StatusEquals": "Done"}, r"'statusEquals' .* \[InProgress, Completed"),
        ("hyper_parameter_tuning_jobs", {"StatusEquals": "Done"}, r"'statusEquals' .* Deleting, DeleteFailed\]"),
        ("endpoints", {"StatusEquals": "Done"}, r"'statusEquals' .* \[OutOfService, Creating"),
        ("models", {"SortBy": "Status"}, r"'sortBy' .* \[Name, CreationTime\]"),
        ("endpoint_configs", {"SortBy": "Status"}, r"'sortBy' .* \[Name, CreationTime\]"),
        ("training_jobs", {"SortOrder": "Up"}, r"'sortOrder' .* \[Ascending, Descending\]"),
    ],
)
def test_lists_take_the_words_of_their_kind_only(
    clients: Clients, call: str, given: dict[str, str], words: str
) -> None:
    with pytest.raises(ClientError, match=words) as error:
        getattr(clients.sagemaker, f"list_{call}")(**given)
    assert error.value.response["Error"]["Code"] == "ValidationException"

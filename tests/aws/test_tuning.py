"""Hyperparameter tuning by stock clients. The jobs of most tests run a program that learns nothing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.endpoint import Clients, local_endpoint, training_request, until_ended
from tests.contract.training_jobs import HYPERPARAMETERS, records

pytestmark = pytest.mark.timeout(600)

STATIC = {name: str(value) for name, value in HYPERPARAMETERS.items() if name != "learning_rate"} | {"epochs": "4"}
CHANNELS = {"train": "s3://bucket/train/", "validation": "s3://bucket/train/"}
RATES = {"Name": "learning_rate", "MinValue": "0.1", "MaxValue": "0.9", "ScalingType": "Linear"}
OPTIMIZERS = {"Name": "optimizer", "Values": ["sgd", "adam"]}


@pytest.fixture(scope="module", autouse=True)
def data(clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> None:
    clients.s3.upload_file(str(records(tmp_path_factory.mktemp("records"))), "bucket", "train/data.rec")


def tuning_request(
    name: str,
    *,
    static: dict[str, str] | None = None,
    continuous: list[dict[str, str]] | None = None,
    categorical: list[dict[str, Any]] | None = None,
    warm_start: dict[str, Any] | None = None,
    jobs: int | None = 3,
    **config: Any,
) -> dict[str, Any]:
    """A request as SDK version 2 writes it."""
    training = training_request(name, CHANNELS)
    del training["TrainingJobName"]
    limits = {"MaxParallelTrainingJobs": 2, **({} if jobs is None else {"MaxNumberOfTrainingJobs": jobs})}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:accuracy"},
            "ResourceLimits": limits,
            "ParameterRanges": {
                "ContinuousParameterRanges": [RATES] if continuous is None else continuous,
                "CategoricalParameterRanges": categorical or [],
                "IntegerParameterRanges": [],
            },
            "TrainingJobEarlyStoppingType": "Off",
            **config,
        },
        "TrainingJobDefinition": {**training, "StaticHyperParameters": STATIC | (static or {})},
        **({} if warm_start is None else {"WarmStartConfig": warm_start}),
    }


def tune(clients: Clients, request: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run a tuning job to its end; its description, and its jobs in the order of their names."""
    clients.sagemaker.create_hyper_parameter_tuning_job(**request)
    name = {"HyperParameterTuningJobName": request["HyperParameterTuningJobName"]}
    job = ended(clients, name)
    listed = clients.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        **name, SortBy="Name", SortOrder="Ascending", MaxResults=100
    )
    return job, listed["TrainingJobSummaries"]


def ended(clients: Clients, name: dict[str, str]) -> dict[str, Any]:
    return until_ended(
        lambda: clients.sagemaker.describe_hyper_parameter_tuning_job(**name), "HyperParameterTuningJobStatus"
    )


def value(job: dict[str, Any]) -> float:
    found: float = job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    return found


def test_a_real_job_trains_and_is_the_best_one(clients: Clients, root: Path) -> None:
    request = tuning_request("real", jobs=1, static={"epochs": "1"}, Strategy="Random", RandomSeed=1)
    job, jobs = tune(clients, request | {"Tags": [{"Key": "who", "Value": "me"}]})
    assert (job["HyperParameterTuningJobStatus"], job.get("FailureReason")) == ("Completed", None)
    assert job["HyperParameterTuningJobArn"].endswith(":hyper-parameter-tuning-job/real")
    assert [job["BestTrainingJob"]] == jobs
    assert 0 <= value(job["BestTrainingJob"]) <= 1
    name = job["BestTrainingJob"]["TrainingJobName"]
    assert (root / f"bucket/output/{name}/output/model.tar.gz").is_file()
    training = clients.sagemaker.describe_training_job(TrainingJobName=name)
    # SDK version 2 removes it from both when it attaches to a job.
    assert job["TrainingJobDefinition"]["StaticHyperParameters"]["_tuning_objective_metric"] == "validation:accuracy"
    assert training["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    tuned = job["BestTrainingJob"]["TunedHyperParameters"]
    assert training["HyperParameters"].items() >= tuned.items()
    assert training["HyperParameters"]["_tuning_objective_metric"] == "validation:accuracy"
    assert clients.sagemaker.list_tags(ResourceArn=training["TrainingJobArn"])["Tags"][0]["Key"] == "who"


@pytest.mark.usefixtures("no_training")
def test_a_tuning_job_is_counted_and_listed(clients: Clients) -> None:
    job, jobs = tune(clients, tuning_request("counted", jobs=4, categorical=[OPTIMIZERS]))
    assert job["TrainingJobStatusCounters"]["Completed"] == 4
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    assert value(job["BestTrainingJob"]) == max(map(value, jobs))
    assert [one["TrainingJobName"][:12] for one in jobs] == [f"counted-00{number}-" for number in range(1, 5)]
    for one in jobs:
        assert value(one) == pytest.approx(float(one["TunedHyperParameters"]["learning_rate"]), abs=1e-5)
        assert one["TunedHyperParameters"]["optimizer"] in OPTIMIZERS["Values"]
    (summary,) = clients.sagemaker.list_hyper_parameter_tuning_jobs(NameContains="counted")[
        "HyperParameterTuningJobSummaries"
    ]
    assert (summary["HyperParameterTuningJobStatus"], summary["Strategy"]) == ("Completed", "Bayesian")
    pages = clients.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName="counted", SortBy="FinalObjectiveMetricValue", SortOrder="Descending", MaxResults=3
    )
    by_value = [one["TrainingJobName"] for page in pages for one in page["TrainingJobSummaries"]]
    assert by_value == [one["TrainingJobName"] for one in sorted(jobs, key=value, reverse=True)]


@pytest.mark.usefixtures("no_training")
def test_a_metric_of_the_request_is_minimized_over_a_reversed_range(clients: Clients) -> None:
    request = tuning_request(
        "minimized",
        continuous=[{"Name": "momentum", "MinValue": "0.5", "MaxValue": "0.999", "ScalingType": "ReverseLogarithmic"}],
        categorical=[{"Name": "learning_rate", "Values": ["0.3", "0.7"]}],
        HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": "own:loss"},
    )
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "own:loss", "Regex": r"loss=(\S+)"}
    ]
    job, jobs = tune(clients, request)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert value(job["BestTrainingJob"]) == min(map(value, jobs))
    assert all(0.5 <= float(one["TunedHyperParameters"]["momentum"]) <= 0.999 for one in jobs)


@pytest.mark.usefixtures("no_training")
def test_a_grid_tries_every_combination_once(clients: Clients) -> None:
    rates = {"Name": "learning_rate", "Values": ["0.1", "0.2"]}
    request = tuning_request("grid", jobs=None, continuous=[], categorical=[rates, OPTIMIZERS], Strategy="Grid")
    _, jobs = tune(clients, request)
    tried = [tuple(one["TunedHyperParameters"][name] for name in ("learning_rate", "optimizer")) for one in jobs]
    assert sorted(tried) == [("0.1", "adam"), ("0.1", "sgd"), ("0.2", "adam"), ("0.2", "sgd")]


@pytest.mark.usefixtures("no_training")
def test_jobs_that_fail_later_do_not_end_the_tuning_job(clients: Clients) -> None:
    rates = {"Name": "learning_rate", "Values": ["0.3", "0.4"]}
    # The first two jobs are well, two fail, and two show no metric.
    accidents = {"Name": "momentum", "Values": ["0.5", "0.1", "0.2"]}
    request = tuning_request("accidents", jobs=None, continuous=[], categorical=[accidents, rates], Strategy="Grid")
    job, jobs = tune(clients, request)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert [one["TrainingJobStatus"] for one in jobs] == ["Completed"] * 2 + ["Failed"] * 2 + ["Completed"] * 2
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 4}
    assert value(job["BestTrainingJob"]) == pytest.approx(0.4)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    "config",
    [
        {"Strategy": "Random", "TrainingJobEarlyStoppingType": "Auto"},
        {
            "Strategy": "Hyperband",
            "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}},
        },
    ],
)
def test_hopeless_jobs_are_stopped(clients: Clients, config: dict[str, Any]) -> None:
    name = config["Strategy"].lower()
    # One category is far worse than the other; what is drawn first is random, but fixed by the seed.
    rates = {"Name": "learning_rate", "Values": ["0.01", "0.8", "0.9"]}
    static = {"epochs": "9", "run.stall_timeout_s": "0.1"}
    request = tuning_request(name, jobs=12, static=static, continuous=[], categorical=[rates], **config)
    job, jobs = tune(clients, request)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    stopped = [one for one in jobs if one["TrainingJobStatus"] == "Stopped"]
    assert stopped
    assert all(one["ObjectiveStatus"] == "Succeeded" for one in stopped)
    assert value(job["BestTrainingJob"]) == pytest.approx(0.9)
    assert job["TrainingJobStatusCounters"]["Stopped"] == len(stopped)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("criteria", "count"),
    [
        ({"TargetObjectiveMetricValue": 0.5}, 1),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, 4),
    ],
)
def test_a_tuning_job_ends_when_it_has_found_enough(clients: Clients, criteria: dict[str, Any], count: int) -> None:
    request = tuning_request(
        f"enough-{count}",
        jobs=10,
        continuous=[],
        categorical=[{"Name": "learning_rate", "Values": ["0.6"]}],
        TuningJobCompletionCriteria=criteria,
    )
    job, jobs = tune(clients, request)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert len(jobs) == count


@pytest.mark.usefixtures("no_training")
def test_a_warm_start_knows_its_parent(clients: Clients) -> None:
    parent, _ = tune(clients, tuning_request("parent", jobs=3, static={"momentum": "0.5", "epochs": '"4"'}))
    warm_start = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    worse = {**RATES, "MaxValue": "0.11"}
    job, jobs = tune(clients, tuning_request("child", jobs=2, continuous=[worse], warm_start=warm_start))
    assert job["OverallBestTrainingJob"]["TrainingJobName"] == parent["BestTrainingJob"]["TrainingJobName"]
    assert job["OverallBestTrainingJob"]["TuningJobName"] == "parent"
    assert job["BestTrainingJob"] in jobs

    request = tuning_request("other", jobs=1, warm_start=warm_start)
    request["TrainingJobDefinition"]["InputDataConfig"].pop()
    with pytest.raises(ClientError, match="InputDataConfig is not that of parent tuning job parent"):
        clients.sagemaker.create_hyper_parameter_tuning_job(**request)


@pytest.mark.usefixtures("no_training")
def test_a_stopped_tuning_job_stops_its_jobs(clients: Clients) -> None:
    slow = {"epochs": "1000", "run.stall_timeout_s": "0.1"}
    clients.sagemaker.create_hyper_parameter_tuning_job(**tuning_request("stopped", static=slow))
    name = {"HyperParameterTuningJobName": "stopped"}
    listed = clients.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job
    while not listed(**name)["TrainingJobSummaries"]:
        pass
    clients.sagemaker.stop_hyper_parameter_tuning_job(**name)
    job = ended(clients, name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert {one["TrainingJobStatus"] for one in listed(**name)["TrainingJobSummaries"]} == {"Stopped"}
    clients.sagemaker.delete_hyper_parameter_tuning_job(**name)
    with pytest.raises(ClientError, match="tuning job 'stopped'"):
        clients.sagemaker.stop_hyper_parameter_tuning_job(**name)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(("momentum", "status"), [("0.1", "Failed"), ("0.2", "Completed")])
def test_jobs_without_an_objective_fail_the_tuning_job(clients: Clients, momentum: str, status: str) -> None:
    name = f"fails-{momentum[-1]}"
    job, jobs = tune(clients, tuning_request(name, jobs=9, static={"momentum": momentum}))
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "All training jobs failed" in job["FailureReason"]
    assert "BestTrainingJob" not in job
    assert {one["TrainingJobStatus"] for one in jobs} == {status}
    assert job["ObjectiveStatusCounters"]["Failed"] == len(jobs) < 9


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jobs": None}, ["MaxNumberOfTrainingJobs is missing"]),
        ({"continuous": []}, ["ParameterRanges are empty"]),
        ({"continuous": [RATES, RATES]}, ["learning_rate has two ranges"]),
        ({"continuous": [{**RATES, "MinValue": "1"}]}, ["MinValue 1 is larger than MaxValue 0.9"]),
        ({"continuous": [{**RATES, "MinValue": "x"}]}, ["MinValue is 'x', which is no number"]),
        ({"continuous": [{**RATES, "MinValue": "0", "ScalingType": "Logarithmic"}]}, ["needs values above 0"]),
        (
            {"continuous": [{**RATES, "Name": "learning_rat"}], "static": {"epochs": "many"}},
            ["'learning_rat' is unknown", "did you mean learning_rate", "epochs is 'many'"],
        ),
        ({"continuous": [{**RATES, "MaxValue": "7"}]}, ["learning_rate is '7'"]),
        ({"static": {"learning_rate": "0.1"}}, ["learning_rate is both varied and given"]),
        (
            {
                "jobs": None,
                "static": {"learning_rate": "0.1", "epochs": "many"},
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "none"},
            },
            ["MaxNumberOfTrainingJobs is missing", "both varied and given", "metric 'none' is", "epochs is 'many'"],
        ),
        ({"Strategy": "Grid"}, ["the strategy Grid tries categories only"]),
        ({"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"}, ["set Off"]),
        (
            {"HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:mAP"}},
            ["objective metric 'validation:mAP' is none of this job's", "validation:accuracy"],
        ),
        (
            {
                "warm_start": {
                    "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "nobody"}],
                    "WarmStartType": "TransferLearning",
                }
            },
            ["parent tuning job nobody does not exist"],
        ),
    ],
)
def test_a_bad_request_is_refused_and_leaves_nothing(
    clients: Clients, root: Path, changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ClientError) as error:
        clients.sagemaker.create_hyper_parameter_tuning_job(**tuning_request("bad", **changes))
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert all(word in str(error.value) for word in words), str(error.value)
    with pytest.raises(ClientError) as gone:
        clients.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="bad")
    assert gone.value.response["Error"]["Code"] == "ResourceNotFound"
    assert not list((root / ".vision/jobs").glob("bad*"))


def test_two_definitions_are_refused(clients: Clients) -> None:
    request = tuning_request("two")
    one = request.pop("TrainingJobDefinition")
    with pytest.raises(ClientError, match="2 training job definitions are given"):
        clients.sagemaker.create_hyper_parameter_tuning_job(**request, TrainingJobDefinitions=[one, one])


@pytest.mark.usefixtures("no_training")
def test_one_definition_with_its_own_ranges_is_tuned(clients: Clients) -> None:
    request = tuning_request("own-ranges", jobs=1)
    config = request["HyperParameterTuningJobConfig"]
    definition = {
        **request.pop("TrainingJobDefinition"),
        "DefinitionName": "one",
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    job, _ = tune(clients, request | {"TrainingJobDefinitions": [definition]})
    assert job["BestTrainingJob"]["TrainingJobDefinitionName"] == "one"


@pytest.mark.usefixtures("no_training")
def test_several_jobs_train_at_once(tmp_path: Path) -> None:
    with local_endpoint(tmp_path / "root", parallel="2") as clients:
        clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        clients.s3.upload_file(str(records(tmp_path)), "bucket", "train/data.rec")
        _, jobs = tune(clients, tuning_request("both", jobs=4, static={"run.stall_timeout_s": "0.3"}))
    spans = sorted((one["TrainingStartTime"], one["TrainingEndTime"]) for one in jobs)
    assert any(start < end for (_, end), (start, _) in pairwise(spans))

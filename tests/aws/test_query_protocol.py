"""The query protocol: forms as values, values as XML, and CloudWatch for clients that speak nothing else."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from tests.aws.endpoint import Clients
from tests.aws.mutated_requests import signed
from vision.aws.failure import ServiceFailure
from vision.aws.metrics.metric_store import MetricStore
from vision.aws.query_protocol import nested, xml_of


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ({"A": "x", "B.C": "1"}, {"A": "x", "B": {"C": 1}}),
        ({"A.member.2": "b", "A.member.1": "a"}, {"A": ["a", "b"]}),
        ({"A.member.1.B": "0.5", "A.member.1.C": "true"}, {"A": [{"B": 0.5, "C": True}]}),
        ({"A": "1970-01-01T00:01:00Z", "B": "1970-01-01T01:01:00+01:00"}, {"A": 60.0, "B": 60.0}),
        ({"A": "1970-13-01T00:00:00Z", "B": "1e5", "C": ""}, {"A": "1970-13-01T00:00:00Z", "B": "1e5", "C": ""}),
    ],
)
def test_forms_are_nested(form: dict[str, str], values: dict[str, Any]) -> None:
    assert nested({name: [text] for name, text in form.items()}) == values


@pytest.mark.parametrize("form", [{"A": "x", "A.B": "y"}, {"A." * 30: "x"}])
def test_forms_that_mean_nothing_are_refused(form: dict[str, str]) -> None:
    with pytest.raises(ServiceFailure):
        nested({name: [text] for name, text in form.items()})


def test_values_are_xml() -> None:
    value = {"A": [{"Timestamp": 60.5}, {"B": "<"}], "Timestamps": [0], "C": {}}
    first = "<member><Timestamp>1970-01-01T00:01:00.500000+00:00</Timestamp></member>"
    times = "<Timestamps><member>1970-01-01T00:00:00+00:00</member></Timestamps>"
    assert xml_of(value) == f"<A>{first}<member><B>&lt;</B></member></A>{times}<C></C>"


def ask(clients: Clients, form: dict[str, str]) -> tuple[int, str]:
    request = Request(clients.address, urlencode(form).encode(), signed("monitoring"))
    try:
        with urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_older_clients_read_metrics(clients: Clients, root: Any) -> None:
    metrics = MetricStore(root / ".vision/metrics").writer("job")
    for value in (0.5, 0.75):
        metrics.write("validation:accuracy", value)
    metrics.close()
    # As boto3 1.39 writes it.
    form = {
        "Action": "GetMetricStatistics",
        "Version": "2010-08-01",
        "Namespace": "/aws/sagemaker/TrainingJobs",
        "MetricName": "validation:accuracy",
        "Dimensions.member.1.Name": "TrainingJobName",
        "Dimensions.member.1.Value": "job",
        "StartTime": "2020-01-01T00:00:00Z",
        "EndTime": "2100-01-01T00:00:00Z",
        "Period": "86400000",
        "Statistics.member.1": "Average",
    }
    status, answer = ask(clients, form)
    assert status == 200
    assert "<GetMetricStatisticsResult><Label>validation:accuracy</Label><Datapoints><member><Timestamp>" in answer
    assert "<Average>0.625</Average>" in answer
    status, answer = ask(clients, form | {"Statistics.member.1": "Median"})
    assert status == 400
    assert "<Code>ValidationException</Code>" in answer

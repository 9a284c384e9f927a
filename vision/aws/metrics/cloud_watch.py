"""CloudWatch: the calls by which clients read the metrics of training jobs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import JsonService, Operation
from vision.aws.metrics.metric_store import MetricStore, MetricValue
from vision.aws.query_protocol import Form, QueryOperation, answer_query, nested, xml_of
from vision.aws.request_shape import RequestShape
from vision.settings.nearest import shown

NAMESPACE = "/aws/sagemaker/TrainingJobs"
DIMENSION = "TrainingJobName"
_PAGE = 500
_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda values: math.fsum(values) / len(values),
    "Sum": math.fsum,
    "Minimum": min,
    "Maximum": max,
    "SampleCount": len,
}
Statistic = Literal["Average", "Sum", "Minimum", "Maximum", "SampleCount"]
Period = Annotated[int, Field(ge=1)]


class _Dimension(RequestShape):
    name: str
    value: str | None = None


class _Statistics(RequestShape):
    namespace: str
    metric_name: str
    dimensions: list[_Dimension] = Field(default_factory=list)
    start_time: float
    end_time: float
    period: Period
    statistics: Annotated[list[Statistic], Field(min_length=1)]


class _Wanted(RequestShape):
    namespace: str = NAMESPACE
    metric_name: str | None = None
    dimensions: list[_Dimension] = Field(default_factory=list)
    next_token: str | None = None


class _Metric(RequestShape):
    namespace: str
    metric_name: str
    dimensions: list[_Dimension] = Field(default_factory=list)


class _MetricStat(RequestShape):
    metric: _Metric
    period: Period
    stat: Statistic


class _Query(RequestShape):
    id: str
    metric_stat: _MetricStat | None = None
    label: str | None = None
    return_data: bool = True


class _Data(RequestShape):
    metric_data_queries: Annotated[list[_Query], Field(min_length=1, max_length=500)]
    start_time: float
    end_time: float
    scan_by: Literal["TimestampDescending", "TimestampAscending"] = "TimestampDescending"


class CloudWatch:
    """The service ``monitoring``, for reading."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store
        self._operations: dict[str, Operation] = {
            "GetMetricStatistics": self.get_metric_statistics,
            "GetMetricData": self.get_metric_data,
            "ListMetrics": self.list_metrics,
        }
        self._json = JsonService("GraniteServiceVersion20100801", self._operations)

    async def answer(self, request: Request) -> Response:
        """Answer a call in the JSON protocol or, for older clients, as boto3 1.39, in the query protocol."""
        if "x-amz-target" in request.headers:
            return await self._json.answer(request)

        def as_query(operation: Operation) -> QueryOperation:
            async def answer(form: Form) -> str:
                return xml_of(await operation(nested(form), request))

            return answer

        operations = {name: as_query(operation) for name, operation in self._operations.items()}
        return await answer_query(request, "http://monitoring.amazonaws.com/doc/2010-08-01/", operations)

    async def get_metric_statistics(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Statistics.read(values)
        points = await self._points(asked, asked.start_time, asked.end_time, asked.period)
        described = [
            {"Timestamp": time_s, "Unit": "None", **{name: _STATISTICS[name](found) for name in asked.statistics}}
            for time_s, found in points
        ]
        return {"Label": asked.metric_name, "Datapoints": described}

    async def get_metric_data(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Data.read(values)
        results = []
        for query in asked.metric_data_queries:
            wanted = query.metric_stat
            if wanted is None:
                raise ServiceFailure(
                    400, "ValidationError", f"query {shown(query.id)} has no MetricStat: expressions are not read here"
                )
            points = await self._points(wanted.metric, asked.start_time, asked.end_time, wanted.period)
            if asked.scan_by == "TimestampDescending":
                points.reverse()
            result = {
                "Id": query.id,
                "Label": query.label or wanted.metric.metric_name,
                "Timestamps": [time_s for time_s, _ in points],
                "Values": [_STATISTICS[wanted.stat](found) for _, found in points],
                "StatusCode": "Complete",
            }
            results += [result] if query.return_data else []
        return {"MetricDataResults": results}

    async def list_metrics(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Wanted.read(values)
        found = await asyncio.to_thread(self._names, asked)
        token = asked.next_token or "0"
        start = int(token) if token.isascii() and token.isdecimal() and len(token) < 10 else 0
        metrics = [
            {
                "Namespace": NAMESPACE,
                "MetricName": name,
                "Dimensions": [{"Name": DIMENSION, "Value": job}],
            }
            for job, name in found[start : start + _PAGE]
        ]
        end = start + _PAGE
        return {"Metrics": metrics, **({"NextToken": str(end)} if end < len(found) else {})}

    def _names(self, asked: _Wanted) -> list[tuple[str, str]]:
        """Return (job, metric) of what is asked for."""
        if asked.namespace != NAMESPACE or any(one.name != DIMENSION for one in asked.dimensions):
            return []
        wanted = {one.value for one in asked.dimensions if one.value is not None}
        jobs = [job for job in self._store.jobs() if wanted <= {job}]
        pairs = [(job, one.name) for job in jobs for one in self._store.last(job)]
        return [(job, name) for job, name in pairs if asked.metric_name in (None, name)]

    async def _points(
        self, metric: _Statistics | _Metric, start_s: float, end_s: float, period_s: int
    ) -> list[tuple[float, list[float]]]:
        """Return the beginning of each period that has values, and these."""
        jobs = [one.value for one in metric.dimensions if one.name == DIMENSION and one.value is not None]
        if metric.namespace != NAMESPACE or len(jobs) != 1 or len(metric.dimensions) != 1:
            return []
        found = await asyncio.to_thread(self._store.values, jobs[0])
        return _by_period([one for one in found if one.name == metric.metric_name], start_s, end_s, period_s)


def _by_period(
    found: Sequence[MetricValue], start_s: float, end_s: float, period_s: int
) -> list[tuple[float, list[float]]]:
    # The period in which the first moment lies counts whole, as in the service: jobs here may take seconds.
    first = start_s // period_s * period_s
    periods: dict[float, list[float]] = {}
    for one in found:
        if first <= one.time_s < end_s and math.isfinite(one.value):
            periods.setdefault(one.time_s // period_s * period_s, []).append(one.value)
    return sorted(periods.items())

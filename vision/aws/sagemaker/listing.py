"""The List calls: which resources of a kind are asked for, in which order, page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from vision.aws.failure import ServiceFailure
from vision.aws.registry import Resource
from vision.aws.request_shape import RequestShape
from vision.settings.nearest import shown


class ListRequest(RequestShape):
    """What all List calls have in common. Times are in seconds since 1970; each call has texts of its own."""

    max_results: Annotated[int, Field(ge=1, le=100)] = 10
    next_token: str | None = None
    name_contains: str = ""
    status_equals: str | None = None
    sort_by: str = "CreationTime"
    sort_order: Literal["Ascending", "Descending"] = "Descending"
    creation_time_after: float | None = None
    creation_time_before: float | None = None
    last_modified_time_after: float | None = None
    last_modified_time_before: float | None = None


class ModelList(ListRequest):
    """Of models and endpoint configurations, which have no status."""

    sort_by: Literal["Name", "CreationTime"] = "CreationTime"


class TransformList(ListRequest):
    status_equals: Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped"] | None = None
    sort_by: Literal["Name", "CreationTime", "Status"] = "CreationTime"


class TrainingList(ListRequest):
    status_equals: Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped", "Deleting"] | None = None
    sort_by: Literal["Name", "CreationTime", "Status"] = "CreationTime"


class TunedTrainingList(ListRequest):
    """Of the training jobs of a tuning job."""

    status_equals: Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped", "Deleting"] | None = None
    sort_by: Literal["Name", "CreationTime", "Status", "FinalObjectiveMetricValue"] = "CreationTime"


class TuningList(ListRequest):
    status_equals: (
        Literal["Completed", "InProgress", "Failed", "Stopped", "Stopping", "Deleting", "DeleteFailed"] | None
    ) = None
    sort_by: Literal["Name", "Status", "CreationTime"] = "CreationTime"


class EndpointList(ListRequest):
    status_equals: (
        Literal[
            "OutOfService",
            "Creating",
            "Updating",
            "SystemUpdating",
            "RollingBack",
            "InService",
            "Deleting",
            "Failed",
            "UpdateRollbackFailed",
        ]
        | None
    ) = None
    sort_by: Literal["Name", "CreationTime", "Status"] = "CreationTime"


def list_page(
    found: Sequence[Resource],
    asked: ListRequest,
    status_of: Callable[[Resource], str] = lambda resource: "",
    value_of: Callable[[Resource], float | None] = lambda resource: None,
) -> tuple[list[Resource], str | None]:
    """Return one page of the resources and the token of the next, or None."""
    keys: dict[str, Callable[[Resource], Any]] = {
        "Name": lambda resource: resource.name,
        "Status": status_of,
        "FinalObjectiveMetricValue": lambda resource: value_of(resource) or 0.0,
    }
    wanted = [resource for resource in found if _matches(resource, asked, status_of)]
    key = keys.get(asked.sort_by, lambda resource: resource.created_s)
    wanted.sort(key=key, reverse=asked.sort_order == "Descending")
    start = _start(asked.next_token)
    end = start + asked.max_results
    return wanted[start:end], str(end) if end < len(wanted) else None


def _matches(resource: Resource, asked: ListRequest, status_of: Callable[[Resource], str]) -> bool:
    if asked.name_contains.lower() not in resource.name.lower():
        return False
    if asked.status_equals is not None and status_of(resource) != asked.status_equals:
        return False
    return _is_between(resource.created_s, asked.creation_time_after, asked.creation_time_before) and _is_between(
        resource.modified_s, asked.last_modified_time_after, asked.last_modified_time_before
    )


def _is_between(moment_s: float, after_s: float | None, before_s: float | None) -> bool:
    return (after_s is None or moment_s >= after_s) and (before_s is None or moment_s <= before_s)


def _start(token: str | None) -> int:
    if token is None:
        return 0
    if token.isascii() and token.isdecimal() and len(token) < 10:
        return int(token)
    raise ServiceFailure(400, "ValidationException", f"NextToken is {shown(token)}, which is none of this server's")

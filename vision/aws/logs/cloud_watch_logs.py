"""CloudWatch Logs: the calls by which clients read the logs of jobs and endpoints."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request

from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import JsonService, Operation
from vision.aws.logs.log_store import LogEvent, LogStore
from vision.aws.request_shape import RequestShape
from vision.settings.nearest import shown

_MOST_EVENTS = 10_000
_FORWARD, _BACKWARD = "f/", "b/"


class _LogShape(RequestShape):
    """This service's names begin with a small letter."""

    model_config = RequestShape.model_config | {
        "alias_generator": lambda name: name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
    }


class _Groups(_LogShape):
    log_group_name_prefix: str = ""
    limit: Annotated[int, Field(ge=1, le=50)] = 50
    next_token: str | None = None


class _Streams(_LogShape):
    log_group_name: str
    log_stream_name_prefix: str = ""
    limit: Annotated[int, Field(ge=1, le=50)] = 50
    order_by: Literal["LogStreamName", "LastEventTime"] = "LogStreamName"
    descending: bool = False
    next_token: str | None = None


class _Events(_LogShape):
    log_group_name: str
    log_stream_name: str
    start_time: int | None = None
    end_time: int | None = None
    start_from_head: bool = False
    next_token: str | None = None
    limit: Annotated[int, Field(ge=1, le=_MOST_EVENTS)] = _MOST_EVENTS


class _Filter(_LogShape):
    log_group_name: str
    log_stream_name_prefix: str = ""
    log_stream_names: list[str] = Field(default_factory=list)
    start_time: int | None = None
    end_time: int | None = None
    filter_pattern: str = ""
    limit: Annotated[int, Field(ge=1, le=_MOST_EVENTS)] = _MOST_EVENTS
    next_token: str | None = None


class CloudWatchLogs:
    """The service ``logs``, for reading."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        operations: dict[str, Operation] = {
            "DescribeLogGroups": self.describe_log_groups,
            "DescribeLogStreams": self.describe_log_streams,
            "GetLogEvents": self.get_log_events,
            "FilterLogEvents": self.filter_log_events,
        }
        self.answer = JsonService("Logs_20140328", operations).answer

    async def describe_log_groups(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Groups.read(values)
        names = await asyncio.to_thread(self._store.groups)
        found = [name for name in names if name.startswith(asked.log_group_name_prefix)]
        start = _number(asked.next_token, "") or 0
        end = start + asked.limit
        groups = [{"logGroupName": name} for name in found[start:end]]
        return {"logGroups": groups, **({"nextToken": str(end)} if end < len(found) else {})}

    async def describe_log_streams(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Streams.read(values)
        found = await asyncio.to_thread(self._store.streams, asked.log_group_name, asked.log_stream_name_prefix)
        if found is None:
            raise _no_group(asked.log_group_name)
        if asked.order_by == "LastEventTime":
            found.sort(key=lambda stream: stream[2])
        if asked.descending:
            found.reverse()
        start = _number(asked.next_token, "") or 0
        streams = [
            {
                "logStreamName": name,
                "creationTime": created_ms,
                "firstEventTimestamp": created_ms,
                "lastEventTimestamp": last_ms,
                "lastIngestionTime": last_ms,
            }
            for name, created_ms, last_ms in found[start : start + asked.limit]
        ]
        # A token where there is no further page would send SDK version 2 round for ever.
        end = start + asked.limit
        return {"logStreams": streams, **({"nextToken": str(end)} if end < len(found) else {})}

    async def get_log_events(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Events.read(values)
        events = await asyncio.to_thread(self._store.events, asked.log_group_name, asked.log_stream_name)
        if events is None:
            raise ServiceFailure(
                400, "ResourceNotFoundException", f"log stream {shown(asked.log_stream_name)} does not exist"
            )
        wanted = [event for event in events if _is_between(event, asked.start_time, asked.end_time)]
        forward, backward = _number(asked.next_token, _FORWARD), _number(asked.next_token, _BACKWARD)
        if forward is not None:
            page = [event for event in wanted if event.number >= forward][: asked.limit]
        elif backward is not None:
            page = [event for event in wanted if event.number < backward][-asked.limit :]
        else:
            page = wanted[: asked.limit] if asked.start_from_head else wanted[-asked.limit :]
        # At either end the token stays what it was: that is how clients notice.
        if page:
            before, behind = page[0].number, page[-1].number + 1
        else:
            before = behind = next((number for number in (forward, backward) if number is not None), 0)
        return {
            "events": [_described(event) for event in page],
            "nextForwardToken": f"{_FORWARD}{behind}",
            "nextBackwardToken": f"{_BACKWARD}{before}",
        }

    async def filter_log_events(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Filter.read(values)
        streams = await asyncio.to_thread(self._store.streams, asked.log_group_name, asked.log_stream_name_prefix)
        if streams is None:
            raise _no_group(asked.log_group_name)
        found: list[tuple[LogEvent, str]] = []
        for name, _, _ in streams:
            if not asked.log_stream_names or name in asked.log_stream_names:
                lines = await asyncio.to_thread(self._store.events, asked.log_group_name, name)
                found += [(event, name) for event in lines or ()]
        words = asked.filter_pattern.replace('"', "").split()
        found = [
            (event, name)
            for event, name in found
            if _is_between(event, asked.start_time, asked.end_time) and all(word in event.message for word in words)
        ]
        found.sort(key=lambda pair: pair[0].time_ms)
        start = _number(asked.next_token, "") or 0
        end = start + asked.limit
        events = [
            {**_described(event), "logStreamName": name, "eventId": f"{name}/{event.number}"}
            for event, name in found[start:end]
        ]
        return {"events": events, "searchedLogStreams": [], **({"nextToken": str(end)} if end < len(found) else {})}


def _described(event: LogEvent) -> dict[str, Any]:
    return {"timestamp": event.time_ms, "message": event.message, "ingestionTime": event.time_ms}


def _is_between(event: LogEvent, start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or event.time_ms >= start_ms) and (end_ms is None or event.time_ms < end_ms)


def _number(token: str | None, start: str) -> int | None:
    """Return the number in a token of this kind, or None for no token or one of another kind."""
    if token is None or not token.startswith(start):
        return None
    text = token.removeprefix(start)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


def _no_group(name: str) -> ServiceFailure:
    return ServiceFailure(400, "ResourceNotFoundException", f"log group {shown(name)} does not exist")

"""The endpoint in a browser: what runs and exists here, the curves and logs of jobs, and their reports. Read only."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from vision.artifacts.tar_stream import BadArchiveError, TarStream
from vision.aws.failure import ServiceFailure
from vision.aws.page.curves import curves_html
from vision.aws.registry import Resource
from vision.aws.s3.buckets import split_uri
from vision.aws.workplace import Workplace
from vision.reports.formatting import duration_text, printable
from vision.reports.page import Section, Tile, page, policy, settings_html
from vision.settings.regular_file import open_regular

# The kinds of resources in the order of their use; others follow under their own names.
_JOB, _TUNING = "training-job", "hyper-parameter-tuning-job"
_TITLES = {
    _JOB: "Training jobs",
    _TUNING: "Tuning jobs",
    "transform-job": "Transform jobs",
    "endpoint": "Endpoints",
    "project": "Projects",
    "project-version": "Project versions",
    "collection": "Collections",
    "model": "Models",
    "endpoint-config": "Endpoint configurations",
}
_MOST_ROWS = 100
_MOST_SETTINGS = 200
_LONGEST_VALUE = 500
_REFRESH_S = "5"
_SHOWN_LOG_BYTES = 64 << 10
_WHOLE_LOG_BYTES = 256 << 20
_MOST_REPORT_BYTES = 64 << 20
_MOST_UNPACKED_BYTES = 1 << 30
_GOOD = ("Completed", "InService", "RUNNING", "TRAINING_COMPLETED", "CREATED", "CREATE_COMPLETE", "UPDATE_COMPLETE")
_HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-store"}
_FRAMELESS = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Pages:
    """Answers requests that nobody has signed: those of a person with a browser."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    async def answer(self, request: Request) -> Response:
        """Return a page, or a sentence with status 404 or 405."""
        handlers = {"/": self._overview, "/resource": self._resource, "/log": self._log, "/report": self._report}
        handler = handlers.get(request.url.path)
        if handler is None:
            words = 'vision: point AWS clients here: eval "$(vision aws env root=FOLDER)"\n'
            response: Response = PlainTextResponse(words, 404)
        elif request.method not in ("GET", "HEAD"):
            response = PlainTextResponse("vision: this page is read only\n", 405, {"allow": "GET, HEAD"})
        else:
            response = await asyncio.to_thread(handler, request.query_params)
        response.headers.update(_HEADERS)
        response.headers.setdefault("content-security-policy", f"default-src 'none'; sandbox; {_FRAMELESS}")
        return response

    def _overview(self, query: Mapping[str, str]) -> Response:
        registry, buckets = self._workplace.registry, self._workplace.storage.buckets
        counts = registry.counts()
        kinds = [kind for kind in _TITLES if kind in counts] + sorted(set(counts).difference(_TITLES))
        latest = {kind: registry.latest(kind, _MOST_ROWS) for kind in kinds}
        working = [one for found in latest.values() for one in found if _is_working(one)]
        names = buckets.names()
        tiles = [
            Tile("at work", str(len(working))),
            *(Tile(_title(kind).lower(), str(counts[kind])) for kind in kinds[:4]),
            Tile("buckets", str(len(names))),
        ]
        sections = [self._kind_section(kind, latest[kind], counts[kind]) for kind in kinds]
        rows = [(escape(name), escape(f"s3://{name}"), escape(str(buckets.root / name))) for name in names[:_MOST_ROWS]]
        sections.append(Section("Buckets", _table(("name", "address", "folder"), rows)))
        return _page_response(
            title="vision aws",
            subtitle=f"AWS clients are answered on this machine as region {self._workplace.settings.region}",
            tiles=tiles,
            notes=() if counts else ("Nothing has been asked for yet. Turn clients here: vision aws env root=FOLDER",),
            sections=sections,
            refreshes=bool(working),
        )

    def _kind_section(self, kind: str, found: Sequence[Resource], count: int) -> Section:
        """Return the latest resources of a kind as a table."""
        rows = [
            (
                _link(_address("/resource", kind=kind, name=one.name), one.name),
                _status_html(one),
                escape(", ".join(f"{metric} {value:.4g}" for metric, value in self._metrics(one).items())),
                _time(one.created_s),
                _time(one.modified_s),
            )
            for one in found
        ]
        more = f"<p>the latest {len(rows)} of {count}</p>" if count > len(rows) else ""
        return Section(_title(kind), more + _table(("name", "status", "metrics", "created", "changed"), rows))

    def _resource(self, query: Mapping[str, str]) -> Response:
        kind, name = query.get("kind", ""), query.get("name", "")
        found = self._workplace.registry.find(kind, name)
        if found is None:
            return PlainTextResponse("vision: this resource does not exist, or no longer\n", 404)
        state = found.state
        tiles = [Tile("status", _status(found) or "exists")]
        tiles += [Tile(metric, f"{value:.4g}") for metric, value in self._metrics(found).items()]
        tiles.append(Tile("since it was asked for", duration_text(max(0.0, _end_s(found) - found.created_s))))
        streams = list(self._streams(kind, name))
        metrics = self._workplace.metrics.values(name) if kind == _JOB else ()
        sections = [Section("Curves", curves_html(metrics))] if metrics else []
        if kind == _TUNING:
            jobs = [one for one in self._workplace.registry.all(_JOB) if one.state.get("tuning", {}).get("job") == name]
            sections.append(self._kind_section(_JOB, jobs[-_MOST_ROWS:], len(jobs)))
        sections += [self._log_section(*stream) for stream in streams]
        sections.append(Section("As it was asked for", settings_html(dict(_flat(state.get("request", state))))))
        links = [("Overview", "/")]
        if state.get("report") or (kind == _JOB and _status(found) == "Completed"):
            links.append(("Report", _address("/report", kind=kind, name=name)))
        return _page_response(
            title=name,
            subtitle=f"{kind.replace('-', ' ').capitalize()}, since {_time(found.created_s)}",
            tiles=tiles,
            notes=[state[name] for name in ("failure", "message") if state.get(name)],
            sections=sections,
            links=links,
            refreshes=_is_working(found),
        )

    def _streams(self, kind: str, name: str) -> Iterator[tuple[str, str]]:
        """Yield (group, stream) of the resource's logs: its own group, or its streams in the group of its kind."""
        family = "".join(word.capitalize() for word in kind.split("-")) + "s"
        for group in self._workplace.logs.groups():
            # As /aws/sagemaker/TrainingJobs with streams NAME/..., or /aws/sagemaker/Endpoints/NAME.
            place, prefix = group.split("/")[3:], f"{name}/"
            if place == [family, name]:
                prefix = ""
            elif place != [family]:
                continue
            yield from ((group, stream[0]) for stream in self._workplace.logs.streams(group, prefix) or ())

    def _metrics(self, resource: Resource) -> dict[str, float]:
        """Return the last value of each metric of a training job, and what else says how good a resource is."""
        found = self._workplace.metrics.last(resource.name) if resource.kind == _JOB else ()
        return {one.name: one.value for one in found} | resource.state.get("figures", {})

    def _log_section(self, group: str, stream: str) -> Section:
        events = self._workplace.logs.last_events(group, stream, _SHOWN_LOG_BYTES)
        link = f"<p>{_link(_address('/log', group=group, stream=stream), 'the whole log as text')}</p>"
        text = escape("\n".join(printable(event.message) for event in events)) or "no line yet"
        return Section(
            f"Log {stream}", f'{link}<div class="scroll"><pre style="margin:0;padding:10px">{text}</pre></div>'
        )

    def _log(self, query: Mapping[str, str]) -> Response:
        """Send a log as text, line by line: it may be larger than the memory."""
        events = self._workplace.logs.last_events(query.get("group", ""), query.get("stream", ""), _WHOLE_LOG_BYTES)
        first = next(events, None)
        if first is None:
            return PlainTextResponse("vision: this log does not exist, or has no line yet\n", 404)
        lines = (f"{_time(event.time_ms / 1000)} {printable(event.message)}\n" for event in chain([first], events))
        return StreamingResponse(lines, media_type="text/plain; charset=utf-8")

    def _report(self, query: Mapping[str, str]) -> Response:
        """Send a resource's report, a page that may do nothing here: that of a job is a bucket's content."""
        found = self._workplace.registry.find(query.get("kind", _JOB), query.get("name", ""))
        report = None if found is None else self._read_report(found)
        if report is None:
            return PlainTextResponse("vision: this resource has no report\n", 404)
        rules = f"{policy()}; sandbox allow-scripts; {_FRAMELESS}"
        return Response(report, headers={"content-security-policy": rules}, media_type="text/html")

    def _read_report(self, found: Resource) -> bytes | None:
        if found.state.get("report"):
            return _read(self._workplace.own_folder / found.state["report"])
        return self._read_job_report(found) if found.kind == _JOB else None

    def _read_job_report(self, job: Resource) -> bytes | None:
        """Return the report in the job's output.tar.gz."""
        place = job.state["request"]["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        try:
            bucket, key = split_uri(f"{place}/{job.name}/output/output.tar.gz")
            with (
                open_regular(self._workplace.storage.buckets.existing(bucket, key)) as file,
                gzip.GzipFile(fileobj=file) as unpacked,
            ):
                stream = TarStream(unpacked, _MOST_UNPACKED_BYTES)  # type: ignore[arg-type]
                for member in stream:
                    if member.name.endswith("report.html") and member.size <= _MOST_REPORT_BYTES:
                        return b"".join(stream.chunks())
        except (ServiceFailure, BadArchiveError, ValueError, EOFError, zlib.error, OSError):
            pass
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _page_response(
    *,
    title: str,
    subtitle: str,
    tiles: Sequence[Tile],
    notes: Sequence[str],
    sections: Sequence[Section],
    refreshes: bool,
    links: Sequence[tuple[str, str]] = (),
) -> Response:
    document = page(title=title, subtitle=subtitle, tiles=tiles, notes=notes, sections=sections, links=links)
    headers = {"content-security-policy": f"{policy()}; {_FRAMELESS}"}
    if refreshes:
        headers["refresh"] = _REFRESH_S
    return Response(document.encode(errors="replace"), headers=headers, media_type="text/html")


def _link(address: str, text: str) -> str:
    return f'<a href="{escape(address)}">{escape(printable(text))}</a>'


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose cells are HTML."""
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _status(resource: Resource) -> str:
    return str(resource.state.get("status", ""))


def _is_working(resource: Resource) -> bool:
    # "Creating" and "Stopping" of one service are "TRAINING_IN_PROGRESS" and "STOPPING" of the other.
    status = _status(resource).lower().replace("_", "")
    return (status.endswith("ing") and status != "running") or status.endswith("inprogress")


def _status_html(resource: Resource) -> str:
    status = _status(resource)
    if not status:
        return ""
    failed = "fail" in status.lower()
    color = "wrong" if failed else "truth" if status in _GOOD else "accent" if _is_working(resource) else "faint"
    return f'<span style="color:var(--{color})">\u25cf</span> {escape(status)}'


def _end_s(resource: Resource) -> float:
    return datetime.now().timestamp() if _is_working(resource) else resource.state.get("ended_s") or resource.modified_s


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Return the plain values of nested ones by their paths, as many as a page can show."""
    children: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        children = [(f"{path}.{name}" if path else str(name), child) for name, child in value.items()]
    elif isinstance(value, list):
        children = [(f"{path}[{place}]", child) for place, child in enumerate(value)]
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        return [(path[:_LONGEST_VALUE], text[:_LONGEST_VALUE])]
    found: list[tuple[str, str]] = []
    for name, child in children:
        if len(found) >= _MOST_SETTINGS:
            break
        found += _flat(child, name)
    return found


def _title(kind: str) -> str:
    return _TITLES.get(kind) or f"{kind.replace('-', ' ').capitalize()}s"


def _time(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s).astimezone().isoformat(" ", "seconds")[:19]


def _address(path: str, **query: str) -> str:
    return f"{path}?{urlencode(query)}"

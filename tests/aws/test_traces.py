"""What both SDKs of SageMaker ask, asked again: recorded requests against the real endpoint.

``traces/*.jsonl`` are written by tests/interop_aws. The answers must have the shapes of the clients' own models, and
nothing more, since version 3 refuses empty structures and values of other types.
"""

from __future__ import annotations

import functools
import http.client
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape

from tests.aws.endpoint import REGION, Clients, local_endpoint
from tests.contract.training_jobs import images, records

pytestmark = pytest.mark.timeout(600)

TRACES = sorted((Path(__file__).parent / "traces").glob("*.jsonl"))
MODELS = {"monitoring": "cloudwatch"}
NUMBERS = ("integer", "long", "float", "double", "timestamp")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the recorded requests carry, by name."""
    return {
        "data.rec": records(tmp_path_factory.mktemp("files")).read_bytes(),
        "photo.png": next(images())[1],
    }


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Clients]:
    with local_endpoint(tmp_path, parallel="2") as clients:
        yield clients


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_recorded_requests_are_answered_in_their_shapes(
    path: Path, clients: Clients, files: dict[str, bytes], request: pytest.FixtureRequest
) -> None:
    if path.stem.endswith("tuner"):
        # What the jobs of a tuner train does not matter to those who ask.
        request.getfixturevalue("no_training")
    player = Player(clients.address, files)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        problems = player.ask(json.loads(line))
        assert not problems, f"{path.name}:{number}: {problems}\n{line}"


class Player:
    """Asks recorded requests, with tokens and names out of the answers before."""

    def __init__(self, address: str, files: dict[str, bytes]) -> None:
        self._host = address.removeprefix("http://")
        self._files = files
        self._given = {"<token>": "", "<start>": ""}

    def ask(self, trace: dict[str, Any]) -> list[str]:
        """Send a request and return what is wrong with its answer."""
        scope = f"AWS4-HMAC-SHA256 Credential=any/20260101/{REGION}/{trace['service']}/aws4_request, Signature=0"
        headers = {"authorization": scope, **trace.get("headers", {})}
        if "target" in trace:
            headers |= {"content-type": "application/x-amz-json-1.1", "x-amz-target": trace["target"]}
        connection = http.client.HTTPConnection(self._host, timeout=120)
        target = trace.get("path", "/") + (f"?{trace['query']}" if trace.get("query") else "")
        connection.request(trace.get("method", "POST"), target, self._body(trace), headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != trace["status"]:
            return [f"{answer.status} {body[:500]!r}"]
        if "target" not in trace:
            return [] if not trace.get("path", "").endswith("/invocations") or json.loads(body) else ["no answer"]
        value = json.loads(body)
        self._remember(value)
        return list(_problems(value, _shape(trace), "answer")) if answer.status == 200 else _error_problems(value)

    def _body(self, trace: dict[str, Any]) -> bytes | None:
        if "file" in trace:
            return self._files[trace["file"]]
        body = trace.get("body")
        if body is None:
            return None
        text = body if isinstance(body, str) else json.dumps(body)
        now = time.time()
        for name, found in self._given.items():
            text = text.replace(name, found)
        return text.replace('"<begin>"', str(now - 3600)).replace('"<end>"', str(now + 3600)).encode()

    def _remember(self, value: dict[str, Any]) -> None:
        for name in ("nextForwardToken", "nextToken", "NextToken"):
            if name in value:
                self._given["<token>"] = value[name]
        for stream in value.get("logStreams", ()):
            self._given["<start>"] = stream["logStreamName"][-10:]


@functools.cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(MODELS.get(service, service))


def _shape(trace: dict[str, Any]) -> Shape | None:
    return _model(trace["service"]).operation_model(trace["target"].rpartition(".")[2]).output_shape


def _error_problems(value: dict[str, Any]) -> list[str]:
    return [] if set(value) == {"__type", "message"} else [f"an error is {value}"]


def _problems(value: Any, shape: Shape | None, place: str) -> Iterator[str]:
    """Yield how a value of JSON differs from its shape in the client's model."""
    if shape is None:
        if value:
            yield f"{place} must be empty, not {value}"
    elif shape.type_name == "structure":
        if not isinstance(value, dict) or (shape.members and not value and place != "answer"):
            yield f"{place} is {value!r}, which is no full structure {shape.name}"
            return
        yield from (f"{place}.{name} is missing" for name in shape.required_members if name not in value)
        for name, part in value.items():
            if name in shape.members:
                yield from _problems(part, shape.members[name], f"{place}.{name}")
            else:
                yield f"{place}.{name} is unknown"
    elif shape.type_name in ("list", "map"):
        if not isinstance(value, list if shape.type_name == "list" else dict):
            yield f"{place} is {value!r}"
            return
        member = shape.member if shape.type_name == "list" else shape.value
        for key, part in enumerate(value) if isinstance(value, list) else value.items():
            yield from _problems(part, member, f"{place}[{key}]")
    elif shape.type_name == "string":
        yield from _text_problems(value, shape, place)
    elif shape.type_name == "boolean":
        if not isinstance(value, bool):
            yield f"{place} is {value!r}"
    elif shape.type_name in NUMBERS and (isinstance(value, bool) or not isinstance(value, (int, float))):
        yield f"{place} is {value!r}, which is no {shape.type_name}"


def _text_problems(value: Any, shape: Shape, place: str) -> Iterator[str]:
    limits = shape.metadata
    if not isinstance(value, str):
        yield f"{place} is {value!r}"
    elif limits.get("enum") and value not in limits["enum"]:
        yield f"{place} is {value!r}, which is none of {limits['enum']}"
    elif not limits.get("min", 0) <= len(value) <= limits.get("max", len(value)):
        yield f"{place} has {len(value)} letters"
    elif "pattern" in limits and re.fullmatch(limits["pattern"], value) is None:
        yield f"{place} is {value!r}, not {limits['pattern']}"

"""AWS's query protocol: a form that names its Action, and XML."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from vision.aws.failure import ServiceFailure
from vision.settings.nearest import did_you_mean, shown

Form = Mapping[str, list[str]]
QueryOperation = Callable[[Form], Awaitable[str]]

_LARGEST_BODY = 1 << 20
_DEEPEST = 20
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)?")


async def answer_query(request: Request, namespace: str, operations: Mapping[str, QueryOperation]) -> Response:
    """Return the answer of the operation that the form names, or the error in the protocol's shape."""
    try:
        form = await _form(request)
        action = form.get("Action", [""])[0]
        if action not in operations:
            raise ServiceFailure(
                400, "InvalidAction", f"Action {shown(action)} is not answered here: {did_you_mean(action, operations)}"
            )
        result = await operations[action](form)
    except ServiceFailure as failure:
        body = (
            f'<ErrorResponse xmlns="{namespace}"><Error><Type>Sender</Type><Code>{failure.code}</Code>'
            f"<Message>{escape(failure.sentence)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
        )
        return Response(body, failure.status, media_type="text/xml")
    metadata = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
    body = (
        f'<{action}Response xmlns="{namespace}"><{action}Result>{result}</{action}Result>{metadata}</{action}Response>'
    )
    return Response(body, media_type="text/xml")


async def _form(request: Request) -> Form:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_BODY:
            raise ServiceFailure(400, "RequestEntityTooLarge", "the form is larger than 1 MiB")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise ServiceFailure(400, "MalformedQueryString", f"the body is not a form: {error}") from None


def nested(form: Form) -> dict[str, Any]:
    """Return the values of a form as the JSON protocol has them: ``A.member.1.B=x`` is ``{"A": [{"B": "x"}]}``.

    Numbers, times and truth values are no longer texts, whatever their fields take.
    """
    values: dict[str, Any] = {}
    for name, (text, *_) in form.items():
        *path, last = name.replace(".member.", ".").split(".")
        if len(path) > _DEEPEST:
            raise ServiceFailure(400, "MalformedQueryString", f"{shown(name)} lies deeper than any field")
        place = values
        for part in path:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ServiceFailure(400, "MalformedQueryString", f"{shown(name)} stands beside a value of its parent")
            place = inner
        place[last] = _value(text)
    listed = _listed(values)
    assert isinstance(listed, dict)
    return listed


def xml_of(value: object) -> str:
    """Return an answer of the JSON protocol as XML: lists have members, and times, in seconds, their text."""
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_xml_field(name, inner)}</{name}>" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(f"<member>{xml_of(inner)}</member>" for inner in value)
    return escape(str(value))


def _xml_field(name: str, value: Any) -> str:
    if name == "Timestamp":
        return _time_text(value)
    return xml_of([_time_text(one) for one in value] if name == "Timestamps" else value)


def _time_text(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()


def _value(text: str) -> str | float | bool:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    if _TIME.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return text
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return text


def _listed(value: Any) -> Any:
    """Return a structure with lists where the names are 1, 2 and so on."""
    if not isinstance(value, dict):
        return value
    if value and all(name.isascii() and name.isdecimal() and len(name) < 6 for name in value):
        return [_listed(inner) for _, inner in sorted(value.items(), key=lambda item: int(item[0]))]
    return {name: _listed(inner) for name, inner in value.items()}

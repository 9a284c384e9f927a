"""S3's XML: answers written from nested values, and the few bodies that clients send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from starlette.responses import Response

from vision.aws.failure import ServiceFailure

# A list is one element for each entry, a mapping is an element with children.
Value = str | int | bool | None | Mapping[str, "Value"] | Iterable["Value"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_LARGEST_BODY = 4 << 20


def xml_response(root: str, value: Value, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with one root element. Values of None are left out."""
    body = f"{_HEAD}<{root} {_NAMESPACE}>{_children(value)}</{root}>"
    return Response(body, status, dict(headers or {}), media_type="application/xml")


def error_response(failure: ServiceFailure, resource: str, *, has_body: bool) -> Response:
    """Return a failure in S3's shape; an answer to HEAD has no body."""
    if not has_body:
        return Response(status_code=failure.status)
    value = {"Code": failure.code, "Message": failure.sentence, "Resource": resource, "RequestId": "local"}
    body = f"{_HEAD}<Error>{_children(value)}</Error>"
    return Response(body, failure.status, media_type="application/xml")


def time_text(moment_s: float) -> str:
    """Return a time as S3 writes it into XML, in UTC and milliseconds."""
    return datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_xml(body: bytes) -> ElementTree.Element:
    """Parse a client's body. Raises ServiceFailure; entities are refused, since they can grow without bound."""
    if len(body) > _LARGEST_BODY or b"<!" in body:
        raise _malformed("it is larger than 4 MiB or declares entities")
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise _malformed(str(error)) from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def text_of(element: ElementTree.Element, name: str) -> str:
    """Return the text of a child. Raises ServiceFailure if there is none."""
    found = element.findtext(name)
    if found is None:
        raise _malformed(f"<{element.tag}> has no <{name}>")
    return found


def _malformed(why: str) -> ServiceFailure:
    return ServiceFailure(400, "MalformedXML", f"the body is not the XML of this call: {why}")


def _children(value: Value) -> str:
    if isinstance(value, Mapping):
        return "".join(_element(name, child) for name, child in value.items())
    return "" if value is None else _text(value)


def _element(name: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int | Mapping):
        return f"<{name}>{_children(value)}</{name}>"
    return "".join(_element(name, entry) for entry in value)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # Control characters cannot be written in XML 1.0 at all; clients ask for percent-encoded keys.
    plain = "".join(c if c in "\t\n\r" or c >= " " else "\ufffd" for c in str(value))
    return escape(plain, {"\r": "&#13;"})

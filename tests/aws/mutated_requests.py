"""Requests of AWS clients, damaged at random: the shapes come from boto3's own models of the services."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.model import ServiceModel, Shape

from tests.aws.endpoint import REGION, ROLE

# Services of the JSON protocol by the name that clients sign for, with the name in X-Amz-Target.
JSON_SERVICES = {
    "sagemaker": "SageMaker",
    "logs": "Logs_20140328",
    "rekognition": "RekognitionService",
    "monitoring": "GraniteServiceVersion20100801",
}
_CLIENTS = {"monitoring": "cloudwatch"}
NASTY = (
    "",
    "x" * 5000,
    "../../../../etc/passwd",
    "..",
    ".vision",
    "a/../../b",
    "a\0b",
    "\ud800",
    "\u202e\u0000<img src=x>",
    "%2e%2e%2f",
    "$(touch hacked)",
    "'; drop table resources; --",
    "s3://bucket/../../etc/passwd",
    "s3://../x",
    "s3:///",
    "arn:aws:sagemaker:eu-west-1:123456789012:training-job/../x",
    "NaN",
    "-1",
    "1e999",
)
_VALUES: tuple[Any, ...] = (None, True, -1, 0, 2**63, 1e300, [], {}, [[[]]], {"": ""}, *NASTY)
_IMAGE = "813361260812.dkr.ecr.eu-central-1.amazonaws.com/image-classification:1"
_NAMES = ("first", "second", "bucket", "no-such")


@dataclass
class RawRequest:
    """A request as it goes over the wire; the length of the body is added. ``path`` holds the query."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def signed(service: str) -> dict[str, str]:
    """Return the header that names a service."""
    return {"authorization": f"AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/{service}/aws4_request"}


def model_of(service: str) -> ServiceModel:
    """Return boto3's model of a service."""
    client = boto3.client(
        _CLIENTS.get(service, service), region_name=REGION, aws_access_key_id="a", aws_secret_access_key="a"
    )
    return client.meta.service_model


def json_request(service: str, operation: str, body: bytes) -> RawRequest:
    """Return a call of the JSON protocol."""
    target = f"{JSON_SERVICES[service]}.{operation}"
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.1", **signed(service)}
    return RawRequest("POST", "/", headers, body)


def json_requests(
    service: str, operations: list[str], arns: Sequence[str], count: int, rng: random.Random
) -> Iterator[RawRequest]:
    """Yield calls of the operations with values that fit their shapes, then damaged; ``arns`` are of what exists."""
    model = model_of(service)
    for number in range(count):
        operation = operations[number % len(operations)]
        shape = model.operation_model(operation).input_shape
        values = {} if shape is None else _value(shape, rng, arns, "")
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
            _damage(values, rng)
        body = json.dumps(values).encode()
        kind = rng.randrange(12)
        if kind == 0:
            body = damaged_bytes(body, rng)
        elif kind == 1:
            body = rng.choice((b"", b"[" * 50_000, b'{"a":' * 20_000, b"null", b"NaN", b"\xff\xfe", body + body))
        request = json_request(service, operation, body)
        if kind == 2:
            request.headers["x-amz-target"] = rng.choice(
                ("", "x", f"SageMaker.{operation * 50}", "SageMaker.__init__", "Logs_20140328.")
            )
        elif kind == 3:
            request.headers["content-type"] = rng.choice(("", "text/html", "multipart/form-data; boundary=x"))
        elif kind == 4:
            request.path = rng.choice(("/x", "/?a=b", "//", "/%00", "/endpoints//invocations"))
        yield request


def _value(shape: Shape, rng: random.Random, arns: Sequence[str], name: str) -> Any:
    """Return a value of a shape, such as a client that means no harm could send; nothing that starts work."""
    kind = shape.type_name
    if kind == "structure":
        chosen = [one for one in shape.members if one in shape.required_members or rng.random() < 0.3]
        return {one: _value(shape.members[one], rng, arns, one) for one in chosen}
    if kind == "list":
        return [_value(shape.member, rng, arns, name) for _ in range(rng.choice((0, 1, 1, 2)))]
    if kind == "map":
        return {"epochs": _value(shape.value, rng, arns, name)}
    if kind in ("integer", "long"):
        return rng.choice((0, 1, 2, 50, 100))
    if kind in ("float", "double"):
        return rng.choice((0.0, 0.5, 1.0))
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "timestamp":
        return rng.choice((0, 1.5e9))
    if kind == "blob":
        return rng.choice(("", "aGFsbG8=", "not base64!"))
    if shape.metadata.get("enum"):
        return rng.choice(shape.metadata["enum"])
    if name.endswith(("Uri", "Url", "S3OutputPath")):
        return rng.choice(("s3://bucket/none/", "s3://no-such/x", "s3://bucket"))
    if name.endswith("RoleArn"):
        return ROLE
    if name.endswith("Arn"):
        return rng.choice(arns)
    return _IMAGE if name.endswith("Image") else rng.choice(_NAMES)


def _damage(value: Any, rng: random.Random) -> None:
    """Put something else in the place of one value, however deep it lies."""
    while isinstance(value, dict | list) and value:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        if not isinstance(value[key], dict | list) or not value[key] or rng.random() < 0.2:
            value[key] = copy.deepcopy(rng.choice(_VALUES))
            return
        value = value[key]


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """Return bytes of which some are changed, missing or new."""
    damaged = bytearray(data or b"x")
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(damaged) + 1)
        kind = rng.randrange(3)
        if kind == 0:
            damaged[place:place] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 1:
            del damaged[place : place + rng.randrange(1, 20)]
        elif place < len(damaged):
            damaged[place] = rng.randrange(256)
    return bytes(damaged)


def query_requests(count: int, rng: random.Random) -> Iterator[RawRequest]:
    """Yield damaged calls of STS, IAM and CloudWatch."""
    identity = ("GetCallerIdentity", "GetRole", "CreateRole", "AttachRolePolicy", "SimulatePrincipalPolicy", "x", "<a>")
    metrics = ("ListMetrics", "GetMetricStatistics", "GetMetricData", "x")
    identity_names = ("RoleName", "ActionNames.member.1", "PolicySourceArn", "?x")
    metrics_names = ("Dimensions.member.1.Name", "Dimensions", "Period", "a." * 5000, "StartTime", "NextToken")
    for _ in range(count):
        service = rng.choice(("sts", "iam", "monitoring"))
        actions = metrics if service == "monitoring" else identity
        names = metrics_names if service == "monitoring" else identity_names
        pairs = [f"{name}={rng.choice((*NASTY[:6], 'x', '<b>', '%ff%fe', '%00', '&', '%'))}" for name in names]
        form = "&".join([f"Action={rng.choice(actions)}", "Version=2011-06-15", *rng.sample(pairs, rng.randrange(4))])
        body = form.encode(errors="replace")
        if rng.random() < 0.3:
            body = damaged_bytes(body, rng)
        headers = {"content-type": "application/x-www-form-urlencoded", **signed(service)}
        yield RawRequest(rng.choice(("POST", "POST", "GET", "PUT")), rng.choice(("/", "/", "/x?y")), headers, body)


def invocations(count: int, endpoint: str, rng: random.Random) -> Iterator[RawRequest]:
    """Yield damaged calls of an endpoint's model."""
    header_names = ("TargetModel", "TargetVariant", "InferenceId", "CustomAttributes", "Enable-Explanations")
    for _ in range(count):
        name = rng.choice((endpoint, endpoint, "none", "..", "%2e%2e", "a%0d%0ax:y", "x" * 3000, "%ff"))
        tail = rng.choice(("", "", "", "?a=b", "/x", "%00"))
        headers = {"content-type": rng.choice(("image/jpeg", "", "x" * 900, "application/json")), **signed("sagemaker")}
        for header in rng.sample(header_names, rng.randrange(3)):
            value = rng.choice(NASTY[:10]).encode("ascii", "ignore").decode().replace("\0", "")
            headers[f"x-amzn-sagemaker-{_hyphened(header)}"] = value
        body = rng.choice((b"", b"no image", rng.randbytes(2000), bytes(300_000)))
        yield RawRequest(rng.choice(("POST", "POST", "GET")), f"/endpoints/{name}/invocations{tail}", headers, body)


def _hyphened(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


_KEYS = (
    "key",
    "a/b",
    "a/",
    "",
    "..%2f..%2fx",
    "%2e%2e/%2e%2e/x",
    "a//b",
    "%00",
    "%ff",
    "x" * 1100,
    "a/%2e/b",
    ".vision/x",
)
_BUCKETS = ("bucket", "bucket", "bucket", "no-such", "%2e%2e", ".vision", "B%00", "x" * 70, "..")
_QUERIES = (
    "",
    "",
    "uploads",
    "uploadId=x&partNumber=1",
    "uploadId=..%2f..&partNumber=1",
    "uploadId=UPLOAD&partNumber=0",
    "uploadId=UPLOAD&partNumber=99999999999999",
    "uploadId=UPLOAD",
    "delete",
    "location",
    "list-type=2&max-keys=-1",
    "list-type=2&max-keys=5&prefix=..%2f&delimiter=%00",
    "list-type=2&continuation-token=%ff",
    "list-type=2&continuation-token=Li4vLi4=&encoding-type=url",
    "encoding-type=x",
    "policy",
    "prefix=" + "x" * 3000,
    "max-parts=x&uploadId=UPLOAD",
    "response-content-type=a%0d%0ab:c",
)
_XML = (
    b"",
    b"<",
    b"<Delete><Object><Key>../../x</Key></Object></Delete>",
    b"<Delete><Object><Key>a&#0;b</Key></Object></Delete>",
    b"<Delete><Object></Object></Delete>",
    b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Delete>&a;</Delete>',
    b"<a>" * 20_000,
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>../x</ETag></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",
    "<Delete><Object><Key>\u202e</Key></Object></Delete>".encode("utf-16"),
    b"<?xml version='1.0' encoding='x'?><a/>",
    b"5;chunk-signature=x\r\nhello\r\n0;chunk-signature=x\r\n\r\n",
    b"ffffffffffffffff\r\nx",
    b"-5\r\n",
)
_S3_HEADERS = (
    ("range", ("bytes=0-", "bytes=5-1", "bytes=-0", "x", "bytes=99999999999999999999-", "bytes=0-0,2-3")),
    (
        "x-amz-copy-source",
        ("/bucket/key", "../x", "%ff", "bucket", "/bucket/../../etc/passwd", "/no-such/x?versionId=1"),
    ),
    ("content-md5", ("x", "AAAA", "1B2M2Y8AsgTpgAmY7PhCfg==")),
    ("x-amz-checksum-crc32", ("x", "AAAAAA==")),
    ("x-amz-checksum-sha256", ("x",)),
    ("x-amz-trailer", ("x-amz-checksum-crc32", "x")),
    ("x-amz-content-sha256", ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD", "x")),
    ("content-encoding", ("aws-chunked", "gzip", "aws-chunked,gzip")),
    ("x-amz-decoded-content-length", ("-1", "x", "5", "9999999999999999999")),
    ("if-match", ("x", '"', "*")),
    ("if-none-match", ("*", "x")),
    ("if-modified-since", ("x", "Mon, 99 Foo 9999 99:99:99 GMT")),
    ("x-amz-meta-a", ("x" * 3000, "\xff", "")),
    ("content-type", ("x" * 3000, "", "text/html")),
    ("x-amz-metadata-directive", ("REPLACE", "x")),
    ("x-amz-acl", ("public-read",)),
)


def s3_requests(count: int, upload_id: str, rng: random.Random) -> Iterator[RawRequest]:
    """Yield damaged calls of S3; ``upload_id`` is of an upload of ``bucket/key`` that has begun."""
    methods = ("GET", "PUT", "POST", "DELETE", "HEAD", "GET", "PUT", "POST", "PATCH", "OPTIONS")
    for _ in range(count):
        bucket, key = rng.choice(_BUCKETS), rng.choice(_KEYS)
        path = rng.choice((f"/{bucket}/{key}", f"/{bucket}/{key}", f"/{bucket}", "/", f"//{bucket}//{key}"))
        if rng.random() < 0.1:
            path = "/" + damaged_bytes(path.encode(), rng).decode("latin-1").translate(_UNSAFE)
        query = rng.choice(_QUERIES).replace("UPLOAD", upload_id)
        headers = signed("s3")
        for name, values in rng.sample(_S3_HEADERS, rng.choice((0, 1, 1, 2, 4))):
            headers[name] = rng.choice(values)
        body = rng.choice((b"", b"hello", rng.randbytes(100_000), *_XML))
        yield RawRequest(rng.choice(methods), f"{path}?{query}" if query else path, headers, body)


# Bytes that a request line cannot hold, which is another matter.
_UNSAFE = {place: "%20" for place in [*range(33), ord("#"), ord("?"), *range(127, 256)]}

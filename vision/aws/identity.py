"""STS and IAM, as far as SDKs ask before they begin: everybody is one role, which may do everything here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from vision.aws.failure import ServiceFailure
from vision.aws.settings import ACCOUNT, ROLE
from vision.settings.nearest import did_you_mean, shown

_LARGEST_BODY = 1 << 20
_CREATED = "2026-01-01T00:00:00Z"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


async def sts(request: Request) -> Response:
    """Answer the service ``sts``."""
    return await _answer(request, "https://sts.amazonaws.com/doc/2011-06-15/", {"GetCallerIdentity": _caller})


async def iam(request: Request) -> Response:
    """Answer the service ``iam``."""
    operations = {
        "GetRole": _role,
        "CreateRole": _role,
        "AttachRolePolicy": lambda form: "",
        "PutRolePolicy": lambda form: "",
        "SimulatePrincipalPolicy": _allowed,
    }
    return await _answer(request, "https://iam.amazonaws.com/doc/2010-05-08/", operations)


async def _answer(
    request: Request, namespace: str, operations: Mapping[str, Callable[[Mapping[str, list[str]]], str]]
) -> Response:
    """Answer AWS's query protocol: a form that names its Action, and XML."""
    try:
        form = await _form(request)
        action = form.get("Action", [""])[0]
        if action not in operations:
            raise ServiceFailure(
                400, "InvalidAction", f"Action {shown(action)} is not answered here: {did_you_mean(action, operations)}"
            )
        result = operations[action](form)
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


async def _form(request: Request) -> Mapping[str, list[str]]:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_BODY:
            raise ServiceFailure(400, "RequestEntityTooLarge", "the form is larger than 1 MiB")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise ServiceFailure(400, "MalformedQueryString", f"the body is not a form: {error}") from None


def _caller(form: Mapping[str, list[str]]) -> str:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/local"
    return f"<Arn>{arn}</Arn><UserId>AROALOCAL:local</UserId><Account>{ACCOUNT}</Account>"


def _role(form: Mapping[str, list[str]]) -> str:
    name = escape(form.get("RoleName", [ROLE])[0])
    trust = quote(json.dumps(_TRUST), safe="")
    return (
        f"<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROALOCAL</RoleId>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn><CreateDate>{_CREATED}</CreateDate>"
        f"<AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument></Role>"
    )


def _allowed(form: Mapping[str, list[str]]) -> str:
    actions = [value for name, values in form.items() if name.startswith("ActionNames.member.") for value in values]
    results = "".join(
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>*</EvalResourceName>"
        "<EvalDecision>allowed</EvalDecision></member>"
        for action in actions
    )
    return f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"

"""STS and IAM, as far as SDKs ask before they begin: everybody is one role, which may do everything here."""

from __future__ import annotations

import json
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from vision.aws.query_protocol import Form, answer_query
from vision.aws.settings import ACCOUNT, ROLE

_CREATED = "2026-01-01T00:00:00Z"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


async def sts(request: Request) -> Response:
    """Answer the service ``sts``."""
    return await answer_query(request, "https://sts.amazonaws.com/doc/2011-06-15/", {"GetCallerIdentity": _caller})


async def iam(request: Request) -> Response:
    """Answer the service ``iam``."""
    operations = {
        "GetRole": _role,
        "CreateRole": _role,
        "AttachRolePolicy": _nothing,
        "PutRolePolicy": _nothing,
        "SimulatePrincipalPolicy": _allowed,
    }
    return await answer_query(request, "https://iam.amazonaws.com/doc/2010-05-08/", operations)


async def _caller(form: Form) -> str:
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/local"
    return f"<Arn>{arn}</Arn><UserId>AROALOCAL:local</UserId><Account>{ACCOUNT}</Account>"


async def _role(form: Form) -> str:
    name = escape(form.get("RoleName", [ROLE])[0])
    trust = quote(json.dumps(_TRUST), safe="")
    return (
        f"<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROALOCAL</RoleId>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:role/{name}</Arn><CreateDate>{_CREATED}</CreateDate>"
        f"<AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument></Role>"
    )


async def _allowed(form: Form) -> str:
    actions = [value for name, values in form.items() if name.startswith("ActionNames.member.") for value in values]
    results = "".join(
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>*</EvalResourceName>"
        "<EvalDecision>allowed</EvalDecision></member>"
        for action in actions
    )
    return f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"


async def _nothing(form: Form) -> str:
    return ""

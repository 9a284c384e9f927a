"""``vision aws doctor``: where each client of this environment goes, and which calls would reach AWS."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from vision.aws.client_environment import ROLE_FILE
from vision.aws.client_routes import SERVICES, ClientRoutes, Route

_PING_S = 2.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def diagnosis(variables: Mapping[str, str]) -> tuple[str, bool]:
    """Return what is found, line by line, and whether every client stays on this machine and is answered."""
    routes = ClientRoutes(variables)
    by_service = {service: routes.route(service) for service in SERVICES}
    answers = {address: _answers(address) for address in {route.address for route in by_service.values()} if address}
    lines = ["clients of boto3 and the AWS CLI"]
    for service, route in by_service.items():
        lines.append(f"  {service:<18} {_described(route, routes.region)}")
    problems = _problems(routes, by_service, answers, variables)
    lines += ["SageMaker SDK", *_sdk_lines(routes.region, variables)]
    lines += ["to mend", *(f"  {problem}" for problem in problems)] if problems else ["nothing to mend"]
    return "\n".join(lines), not problems


def _described(route: Route, region: str | None) -> str:
    where = f"AWS, {region or 'in no region'}" if route.address is None else route.address
    return f"{where} ({route.reason})"


def _problems(
    routes: ClientRoutes, by_service: Mapping[str, Route], answers: Mapping[str, bool], variables: Mapping[str, str]
) -> list[str]:
    problems = []
    away = [service for service, route in by_service.items() if not _is_here(route.address)]
    if away:
        problems.append(
            f'{", ".join(away)}: calls leave this machine, and may cost money; eval "$(vision aws env root=FOLDER)"'
        )
    problems += [
        f"nothing answers at {address}: start vision aws serve"
        for address, is_answered in sorted(answers.items())
        if _is_here(address) and not is_answered
    ]
    if routes.region is None:
        problems.append("no region is set, without which no client starts: AWS_DEFAULT_REGION")
    has_keys = "AWS_ACCESS_KEY_ID" in variables or "aws_access_key_id" in routes.settings
    if not has_keys:
        problems.append("no keys are set, without which no call is signed: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    proxy = next((name for name in _PROXIES if variables.get(name)), None)
    spared = variables.get("no_proxy") or variables.get("NO_PROXY") or ""
    if proxy is not None and not {"*", *_LOOPBACK}.intersection(name.strip() for name in spared.split(",")):
        problems.append(f"calls to this machine, too, go through {proxy}: NO_PROXY=127.0.0.1,localhost")
    return problems


def _sdk_lines(region: str | None, variables: Mapping[str, str]) -> list[str]:
    file = variables.get("SAGEMAKER_USER_CONFIG_OVERRIDE")
    session = _session_settings(file)
    bucket = session.get("DefaultS3Bucket")
    quiet = session.get("TelemetryOptOut") is True
    sts = f"https://sts.{region or 'REGION'}.amazonaws.com"
    role = f"{ROLE_FILE}, which is there" if ROLE_FILE.is_file() else f"{sts}, whatever is set: give role=, or see"
    return [
        f"  config file        {file or 'none: SAGEMAKER_USER_CONFIG_OVERRIDE is not set'}",
        f"  telemetry          {'off' if quiet else 'sent to AWS by fit and deploy: TelemetryOptOut is not true'}",
        f"  default_bucket()   {bucket or f'asks {sts}, whatever is set: DefaultS3Bucket is missing'}",
        f"  get_execution_role() asks {role}{'' if ROLE_FILE.is_file() else ' vision aws notebook'}",
    ]


def _session_settings(file: str | None) -> dict[str, object]:
    """Return the settings of the SDK's modules that matter here; none of them if the file cannot be read."""
    try:
        values = yaml.safe_load(Path(file or "").read_text(encoding="utf-8"))
        modules = values["SageMaker"]["PythonSDK"]["Modules"]
        return {"TelemetryOptOut": modules.get("TelemetryOptOut"), **(modules.get("Session") or {})}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}


def _is_here(address: str | None) -> bool:
    return address is not None and urlsplit(address).hostname in _LOOPBACK


def _answers(address: str) -> bool:
    """Return whether a server answers at an address of this machine. Others are not asked."""
    if not _is_here(address):
        return False
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 80, timeout=_PING_S)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

"""Where AWS clients of this environment go: the rules by which boto3 and the AWS CLI choose an address.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Services of boto3 that notebooks use, and their names in variables and config files.
SERVICES = {
    "s3": "s3",
    "sagemaker": "sagemaker",
    "sagemaker-runtime": "sagemaker_runtime",
    "rekognition": "rekognition",
    "logs": "cloudwatch_logs",
    "cloudwatch": "cloudwatch",
    "sts": "sts",
    "iam": "iam",
}
GLOBAL_VARIABLE = "AWS_ENDPOINT_URL"
IGNORE_VARIABLE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"


@dataclass(frozen=True)
class Route:
    """The address that a client takes, None for AWS itself, and the setting that says so."""

    address: str | None
    reason: str


class ClientRoutes:
    """The routes of one environment, by its variables and config files."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.profile = variables.get("AWS_PROFILE") or "default"
        self.config_file = _path(variables.get("AWS_CONFIG_FILE"), "config")
        config, credentials = _read(self.config_file), _read(_credentials_file(variables))
        section = "default" if self.profile == "default" else f"profile {self.profile}"
        self.settings = {**config.get(section, {}), **credentials.get(self.profile, {})}
        self._services = config.get(f"services {self.settings.get('services')}", {})

    @property
    def region(self) -> str | None:
        """Return the region that boto3 takes."""
        return self._variables.get("AWS_DEFAULT_REGION") or self.settings.get("region")

    def route(self, service: str) -> Route:
        """Return where the client of a service goes."""
        name = SERVICES[service]
        own_variable = f"{GLOBAL_VARIABLE}_{name.upper()}"
        # Only "true" counts, in either place.
        for value, reason in (
            (self._variables.get(IGNORE_VARIABLE), IGNORE_VARIABLE),
            (self.settings.get("ignore_configured_endpoint_urls"), f"ignore_configured_endpoint_urls in {self._place}"),
        ):
            if value is not None:
                if value.lower() == "true":
                    return Route(None, reason)
                break
        candidates = (
            (self._variables.get(own_variable), own_variable),
            (self._variables.get(GLOBAL_VARIABLE), GLOBAL_VARIABLE),
            (_nested(self._services.get(name, "")).get("endpoint_url"), f"services in {self._place}"),
            (self.settings.get("endpoint_url"), f"endpoint_url in {self._place}"),
        )
        found = next(((value, reason) for value, reason in candidates if value), None)
        return Route(None, f"{GLOBAL_VARIABLE} is not set") if found is None else Route(*found)

    @property
    def _place(self) -> str:
        return f"profile {self.profile} of {self.config_file}"


def _credentials_file(variables: Mapping[str, str]) -> Path:
    return _path(variables.get("AWS_SHARED_CREDENTIALS_FILE"), "credentials")


def _path(given: str | None, name: str) -> Path:
    return Path(given).expanduser() if given else Path.home() / ".aws" / name


def _read(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _nested(text: str) -> dict[str, str]:
    """Return the settings below another one, as ``s3 =`` has them in lines that are indented."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}

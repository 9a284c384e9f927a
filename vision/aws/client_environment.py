"""What clients need in their environment to come to the local endpoint, for a shell and for a notebook."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from vision.aws.client_routes import GLOBAL_VARIABLE, IGNORE_VARIABLE
from vision.aws.s3.storage import OWN_FOLDER
from vision.aws.settings import ACCOUNT, ROLE_ARN, AwsSettings
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder

# What the SDK looks into for get_execution_role() before it asks STS, whose address it has built in.
ROLE_FILE = Path("/opt/ml/metadata/resource-metadata.json")
# Clients obey the first before the address of ours; the second belongs to other keys.
_MISLEADING = (IGNORE_VARIABLE, "AWS_SESSION_TOKEN")
# The SDK sends nothing anywhere, and asks no STS for an account, whose address it has built in.
_SDK_CONFIG = """\
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: {bucket}
"""
_CELL = """\
# The first cell of a notebook: its AWS clients come to this machine.
import os

for name in [name for name in os.environ if name.startswith("{prefix}_") or name in {misleading}]:
    del os.environ[name]
os.environ.update({variables})
role = {role!r}  # in place of get_execution_role()

# get_execution_role() itself asks AWS, unless this file says its answer. In a terminal, once:
#   sudo mkdir -p {folder}
#   echo {content} | sudo tee {file}
"""


def exports(settings: AwsSettings, current: Mapping[str, str] = os.environ) -> str:
    """Write the SageMaker SDK's config file below the root and return the lines to evaluate in a shell.

    ``current`` are the variables of that shell; those that would lead clients elsewhere are unset.
    """
    misleading = sorted(name for name in current if name.startswith(f"{GLOBAL_VARIABLE}_") or name in _MISLEADING)
    lines = [f"unset {name}" for name in misleading]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in _variables(settings, current).items()]
    return "\n".join(lines)


def notebook_cell(settings: AwsSettings, current: Mapping[str, str] = os.environ) -> str:
    """Write the SDK's config file and return Python that turns the clients of a notebook's kernel here."""
    metadata = {"ResourceArn": ROLE_ARN, "ResourceName": "local", "ExecutionRoleArn": ROLE_ARN}
    return _CELL.format(
        prefix=GLOBAL_VARIABLE,
        misleading=_MISLEADING,
        variables=json.dumps(_variables(settings, current), indent=4),
        role=ROLE_ARN,
        folder=ROLE_FILE.parent,
        content=shlex.quote(json.dumps(metadata)),
        file=ROLE_FILE,
    )


def _variables(settings: AwsSettings, current: Mapping[str, str]) -> dict[str, str]:
    spared = next(filter(None, (current.get(name) for name in ("no_proxy", "NO_PROXY"))), "")
    spared = ",".join(dict.fromkeys([*filter(None, spared.split(",")), settings.host, "localhost"]))
    return {
        GLOBAL_VARIABLE: f"http://{settings.host}:{settings.port}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(write_sdk_config(settings)),
        "SAGEMAKER_VALIDATE_ROLE": "false",
        # A proxy could not reach this machine's own address.
        "NO_PROXY": spared,
        "no_proxy": spared,
    }


def write_sdk_config(settings: AwsSettings) -> Path:
    """Write the SageMaker SDK's config file below the root and return its path. Without it the SDK does not start."""
    own = settings.root.absolute() / OWN_FOLDER
    make_folder(own)
    config = own / "sagemaker-sdk.yaml"
    write_whole(config, _SDK_CONFIG.format(bucket=f"sagemaker-{settings.region}-{ACCOUNT}"))
    return config

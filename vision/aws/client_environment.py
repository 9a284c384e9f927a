"""What clients need in their environment to come to the local endpoint."""

from __future__ import annotations

import shlex
from pathlib import Path

from vision.aws.s3.storage import OWN_FOLDER
from vision.aws.settings import ACCOUNT, AwsSettings
from vision.files.atomic_file import write_whole
from vision.files.write_error import make_folder

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


def exports(settings: AwsSettings) -> str:
    """Write the SageMaker SDK's config file below the root and return the lines to evaluate in a shell."""
    variables = {
        "AWS_ENDPOINT_URL": f"http://{settings.host}:{settings.port}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(write_sdk_config(settings)),
        "SAGEMAKER_VALIDATE_ROLE": "false",
    }
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def write_sdk_config(settings: AwsSettings) -> Path:
    """Write the SageMaker SDK's config file below the root and return its path. Without it the SDK does not start."""
    own = settings.root.absolute() / OWN_FOLDER
    make_folder(own)
    config = own / "sagemaker-sdk.yaml"
    write_whole(config, _SDK_CONFIG.format(bucket=f"sagemaker-{settings.region}-{ACCOUNT}"))
    return config

"""Names of resources, as clients see them."""

from __future__ import annotations

from vision.aws.settings import ACCOUNT


def arn(region: str, kind: str, name: str) -> str:
    """Return the ARN of a resource of SageMaker; ``kind`` is for example ``training-job``."""
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind}/{name}"


def split_arn(text: str) -> tuple[str, str]:
    """Return kind and name in an ARN; empty texts if it is none."""
    kind, _, name = text.rpartition(":")[2].partition("/")
    return kind, name

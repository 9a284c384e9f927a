"""Settings of the local AWS endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from vision.settings.device import shared_gpus
from vision.settings.table import SettingsTable

ACCOUNT = "123456789012"
# Who calls, whatever their keys.
ROLE = "vision"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"


class AwsSettings(SettingsTable):
    """The table of the endpoint's settings."""

    NOUN: ClassVar[str] = "Setting"

    root: Path = Field(
        description="folder of the buckets: s3://bucket/key is the file root/bucket/key", examples=["aws"]
    )
    port: int = Field(default=4566, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    region: str = Field(
        default="us-east-1",
        pattern=r"[a-z]{2}(-[a-z]+)+-\d",
        description="region that answers name",
        examples=["eu-west-1"],
    )
    parallel: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="jobs that train at once, which share the GPUs out; further ones wait; unset is one for each GPU,"
        " or one",
        examples=[2],
    )
    hold_s: float = Field(
        default=20.0,
        ge=0,
        le=50,
        description="how long a Describe of young work may wait for its end, so that clients that ask every 30 seconds"
        " learn of it at once; boto3's waiters wait to the end; 0 answers all at once",
    )
    train_words: str = Field(
        default="",
        description="words of vision train for models of Custom Labels, beside those that recipe=auto chooses",
        examples=["hp.epochs=20 run.weights_folder=weights"],
    )
    search_model: str | None = Field(
        default=None,
        description="network that makes the vectors of Rekognition's collections: a model folder, archive or run"
        " folder, imagenet, timm:NAME or classical (no weights)",
        examples=["imagenet"],
    )
    face_model: Path | None = Field(
        default=None,
        description="detection model whose boxes are faces, for collections of faces",
        examples=["runs/faces"],
    )
    label_model: Path | None = Field(
        default=None,
        description="model that finds labels in videos (StartLabelDetection): a model folder, archive or run folder",
        examples=["runs/birds"],
    )
    label_fps: float = Field(
        default=2.0, gt=0, le=1000, description="frames a second that StartLabelDetection looks at"
    )
    hosts: tuple[str, ...] = Field(
        default=(), description="further host names that requests may use, as a proxy passes them on"
    )

    @property
    def places(self) -> int:
        """Return how many jobs train at once."""
        return self.parallel or max(1, len(shared_gpus("auto")))

    @property
    def host(self) -> str:
        """Return the address to listen on: signatures are not checked, so it is this machine's own."""
        return "127.0.0.1"

    @property
    def token(self) -> None:
        """Return None: AWS clients cannot send one."""
        return None

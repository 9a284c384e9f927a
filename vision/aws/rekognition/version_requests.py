"""The requests of Custom Labels on model versions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vision.aws.rekognition.dataset_requests import Manifest
from vision.aws.rekognition.resources import Bucket, Name, Paged
from vision.aws.request_shape import RequestShape


class OutputPlace(RequestShape):
    s3_bucket: Bucket
    s3_key_prefix: Annotated[str, Field(max_length=1024)] = ""


class Asset(RequestShape):
    ground_truth_manifest: Manifest


class TrainingAssets(RequestShape):
    assets: list[Asset] = Field(default_factory=list)


class TestingAssets(TrainingAssets):
    auto_create: bool = False


class VersionCreation(RequestShape):
    project_arn: str
    version_name: Name
    output_config: OutputPlace
    training_data: TrainingAssets | None = None
    testing_data: TestingAssets | None = None
    version_description: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    kms_key_id: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    tags: dict[str, str] = Field(default_factory=dict)


class VersionCopy(RequestShape):
    source_project_arn: str
    source_project_version_arn: str
    destination_project_arn: str
    version_name: Name
    output_config: OutputPlace
    kms_key_id: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    tags: dict[str, str] = Field(default_factory=dict)


class VersionList(Paged):
    project_arn: str
    version_names: Annotated[list[Name], Field(min_length=1, max_length=10)] | None = None


class VersionArn(RequestShape):
    project_version_arn: str

"""The request CreateTrainingJob, as far as it means something here."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from vision.aws.request_shape import RequestShape, TaggedShape
from vision.sagemaker.container_job import RUN_PREFIX, RUN_VARIABLE

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$", max_length=63)]
S3Address = Annotated[str, Field(pattern=r"^s3://([^/]+)/?(.*)$", max_length=1024)]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$", max_length=2048)]
Mode = Literal["File", "FastFile", "Pipe"]


def _with_group(regex: str) -> str:
    """Check that a text is a regular expression that finds a value. Raises ValueError."""
    try:
        groups = re.compile(regex).groups
    except re.error as error:
        raise ValueError(f"Member must be a regular expression ({error})") from error
    if not groups:
        raise ValueError("Member must have a group, in parentheses, that finds the value")
    return regex


def _folder_name(name: str) -> str:
    """Check that a channel's folder may have a name. Raises ValueError."""
    if name in (".", ".."):
        raise ValueError("Member must be the name of a folder")
    return name


class S3Source(RequestShape):
    """Where a channel's data lie. ``attribute_names`` are those of an augmented manifest."""

    s3_data_type: Literal["S3Prefix", "ManifestFile", "AugmentedManifestFile"]
    s3_uri: S3Address
    s3_data_distribution_type: Literal["FullyReplicated", "ShardedByS3Key"] = "FullyReplicated"
    attribute_names: list[str] = Field(default_factory=list)


class DataSource(RequestShape):
    """The kinds of sources; only S3's is read here."""

    s3_data_source: S3Source


class Shuffle(RequestShape):
    seed: int


class InputChannel(RequestShape):
    """One channel of a job."""

    channel_name: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._-]+$", min_length=1, max_length=64), AfterValidator(_folder_name)
    ]
    data_source: DataSource
    content_type: str | None = None
    compression_type: Literal["None"] = "None"
    record_wrapper_type: Literal["None", "RecordIO"] = "None"
    input_mode: Mode | None = None
    shuffle_config: Shuffle | None = None


class MetricDefinition(RequestShape):
    """A metric and the regular expression, with one group, that finds its value in the log."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    regex: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_with_group)]


class AlgorithmSpecification(RequestShape):
    """Which image trains, and how its channels come."""

    training_image: Annotated[str, Field(max_length=255)]
    training_input_mode: Mode = "File"
    metric_definitions: Annotated[list[MetricDefinition], Field(max_length=40)] = Field(default_factory=list)
    container_entrypoint: list[str] = Field(default_factory=list)
    container_arguments: list[str] = Field(default_factory=list)


class OutputData(RequestShape):
    s3_output_path: S3Address
    compression_type: Literal["GZIP", "NONE"] = "GZIP"


class Resources(RequestShape):
    instance_count: Annotated[int, Field(ge=1, le=16)] = 1


class Stopping(RequestShape):
    max_runtime_in_seconds: Annotated[int, Field(ge=1)] = 86400


class Checkpoints(RequestShape):
    s3_uri: S3Address


class TrainingRequest(TaggedShape):
    """A whole request. What the platform alone can use, as networks and profilers, is echoed and has no effect."""

    training_job_name: Name
    algorithm_specification: AlgorithmSpecification
    role_arn: RoleArn
    output_data_config: OutputData
    resource_config: Resources
    stopping_condition: Stopping = Stopping()
    hyper_parameters: dict[str, str] = Field(default_factory=dict)
    input_data_config: list[InputChannel] = Field(default_factory=list)
    checkpoint_config: Checkpoints | None = None
    environment: dict[str, str] = Field(default_factory=dict)

    @property
    def places(self) -> dict[str, str]:
        """Return the addresses to which the job writes, by their names in the request."""
        found = {"OutputDataConfig.S3OutputPath": self.output_data_config.s3_output_path}
        if self.checkpoint_config is not None:
            found["CheckpointConfig.S3Uri"] = self.checkpoint_config.s3_uri
        return found

    @property
    def device(self) -> str:
        """Return the device that the job's own settings ask for, as ``run.device``."""
        return self.hyper_parameters.get(f"{RUN_PREFIX}device") or self.environment.get(f"{RUN_VARIABLE}DEVICE", "auto")

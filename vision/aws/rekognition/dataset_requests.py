"""The requests of Custom Labels on data sets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from vision.aws.rekognition.dataset_entries import labels_of
from vision.aws.rekognition.resources import Paged, S3Object
from vision.aws.request_shape import RequestShape


class Manifest(RequestShape):
    s3_object: S3Object


class DatasetSource(RequestShape):
    ground_truth_manifest: Manifest | None = None
    dataset_arn: str | None = None


class DatasetCreation(RequestShape):
    project_arn: str
    dataset_type: Literal["TRAIN", "TEST"]
    dataset_source: DatasetSource = DatasetSource()
    tags: dict[str, str] = Field(default_factory=dict)


class EntryFilter(Paged):
    """Which entries of a data set are asked for; calls that list none use its ARN alone."""

    dataset_arn: str
    contains_labels: Annotated[list[str], Field(min_length=1, max_length=10)] | None = None
    labeled: bool | None = None
    source_ref_contains: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    has_errors: bool | None = None

    def wants(self, entry: dict[str, Any], text: str) -> bool:
        """Return whether an entry, whose JSON is ``text``, passes the filters."""
        return (
            (self.labeled is None or entry["cl-metadata"]["is_labeled"] == self.labeled)
            and (self.source_ref_contains is None or self.source_ref_contains in entry["source-ref"])
            and (self.has_errors is None or ('"cl-errors"' in text) == self.has_errors)
            and (self.contains_labels is None or not labels_of(entry).isdisjoint(self.contains_labels))
        )


class Changes(RequestShape):
    ground_truth: str


class DatasetUpdate(RequestShape):
    dataset_arn: str
    changes: Changes


class DatasetArn(RequestShape):
    arn: str


class Distribution(RequestShape):
    datasets: Annotated[list[DatasetArn], Field(min_length=2, max_length=2)]

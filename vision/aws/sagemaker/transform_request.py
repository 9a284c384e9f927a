"""The request CreateTransformJob: which objects a model answers, and what becomes of the answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vision.algorithms.facts import AlgorithmFacts
from vision.aws.request_shape import RequestShape, TaggedShape
from vision.aws.sagemaker.output_filter import OutputFilter
from vision.aws.sagemaker.training_request import Name, S3Address, S3Source
from vision.serving.media_types import body_kind, choose_form, read_media_type
from vision.serving.request_failure import RequestFailure
from vision.settings.nearest import shown

_MOST_AT_ONCE_MB = 100


class TransformSource(RequestShape):
    s3_data_source: S3Source


class TransformInput(RequestShape):
    """``split_type`` says what one request to the model is: an object, or a record of it."""

    data_source: TransformSource
    content_type: Annotated[str, Field(max_length=256)] = ""
    compression_type: Literal["None", "Gzip"] = "None"
    split_type: Literal["None", "Line", "RecordIO", "TFRecord"] = "None"


class TransformOutput(RequestShape):
    """``assemble_with`` says what stands between the answers to an object's records."""

    s3_output_path: S3Address
    accept: Annotated[str, Field(max_length=256)] = ""
    assemble_with: Literal["None", "Line"] = "None"


class TransformResources(RequestShape):
    instance_type: str
    instance_count: Annotated[int, Field(ge=1)]


class DataProcessing(RequestShape):
    input_filter: Annotated[str, Field(max_length=63)] = "$"
    output_filter: Annotated[str, Field(max_length=63)] = "$"
    join_source: Literal["None", "Input"] = "None"


class TransformRequest(TaggedShape):
    """A whole request."""

    transform_job_name: Name
    model_name: Name
    max_concurrent_transforms: Annotated[int, Field(ge=0)] = 0
    max_payload_in_mb: Annotated[int, Field(alias="MaxPayloadInMB", ge=0, le=_MOST_AT_ONCE_MB)] = 6
    batch_strategy: Literal["MultiRecord", "SingleRecord"] = "MultiRecord"
    environment: dict[str, str] = Field(default_factory=dict)
    transform_input: TransformInput
    transform_output: TransformOutput
    transform_resources: TransformResources
    data_processing: DataProcessing = DataProcessing()
    data_capture_config: dict[str, object] | None = None

    def form(self, facts: AlgorithmFacts) -> str:
        """Return the media type of the answers, as the model's server chooses it. Raises RequestFailure."""
        return choose_form(self.transform_output.accept, facts.answer_forms[0], facts.answer_forms)

    def problems(self, facts: AlgorithmFacts) -> list[str]:
        """Return what keeps this request from being done with a model of an algorithm."""
        source, processing, problems = self.transform_input, self.data_processing, []
        if source.split_type in ("Line", "TFRecord"):
            problems.append(
                f"TransformInput.SplitType is {source.split_type}, but the model reads images: set None, or RecordIO"
                " for files of records"
            )
        if source.compression_type == "Gzip":
            problems.append("TransformInput.CompressionType is Gzip, but images are compressed already: set None")
        if source.data_source.s3_data_source.s3_data_type == "AugmentedManifestFile":
            problems.append("TransformInput's S3DataType is AugmentedManifestFile: set S3Prefix or ManifestFile")
        try:
            body_kind(source.content_type)
        except RequestFailure as failure:
            problems.append(f"TransformInput: {failure.sentence}")
        form = None
        try:
            form = self.form(facts)
        except RequestFailure as failure:
            problems.append(f"TransformOutput: {failure.sentence}")
        at_once_mb = self.max_concurrent_transforms * self.max_payload_in_mb
        if at_once_mb > _MOST_AT_ONCE_MB:
            problems.append(
                f"MaxConcurrentTransforms * MaxPayloadInMB is {at_once_mb}, but may be at most {_MOST_AT_ONCE_MB}"
            )
        if processing.join_source == "Input" or processing.input_filter != "$":
            problems.append(
                "DataProcessing's InputFilter and JoinSource read JSON and CSV, but the input here is images: leave"
                " them out"
            )
        try:
            is_read = OutputFilter.read(processing.output_filter).is_whole
        except ValueError as error:
            is_read = True
            problems.append(f"DataProcessing.OutputFilter is {shown(processing.output_filter)}: {error}")
        if not is_read and form is not None and read_media_type(form).joining is None:
            problems.append(f"DataProcessing.OutputFilter reads JSON, but the answers are {form}: set Accept")
        if self.data_capture_config is not None:
            problems.append("DataCaptureConfig is for endpoints here: leave it out")
        return problems

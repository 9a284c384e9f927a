"""SageMaker's operations on models and endpoint configurations: descriptions that endpoints are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request

from vision.aws.described import without_none
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.request_shape import RequestShape, TaggedShape, validation_failure
from vision.aws.s3.buckets import split_uri
from vision.aws.sagemaker.arns import arn
from vision.aws.sagemaker.data_capture import CaptureRequest
from vision.aws.sagemaker.images import algorithm_of
from vision.aws.sagemaker.listing import ModelList, list_page
from vision.aws.sagemaker.training_request import Name, S3Address
from vision.aws.workplace import Workplace
from vision.settings.errors import UserError, problems_of

MODEL = "model"
CONFIG = "endpoint-config"


class ModelFiles(RequestShape):
    s3_uri: S3Address


class ModelSource(RequestShape):
    s3_data_source: ModelFiles


class Container(RequestShape):
    """An image and the model that it serves, by one of two addresses."""

    image: Annotated[str, Field(max_length=255)]
    mode: Literal["SingleModel", "MultiModel"] = "SingleModel"
    model_data_url: S3Address | None = None
    model_data_source: ModelSource | None = None
    environment: dict[str, str] = Field(default_factory=dict)

    @property
    def address(self) -> str | None:
        if self.model_data_url is not None:
            return self.model_data_url
        return None if self.model_data_source is None else self.model_data_source.s3_data_source.s3_uri


class ModelRequest(TaggedShape):
    model_name: Name
    primary_container: Container | None = None
    containers: list[Container] = Field(default_factory=list)

    @property
    def container(self) -> Container | None:
        return self.primary_container or (self.containers[0] if len(self.containers) == 1 else None)


class Variant(RequestShape):
    variant_name: Name
    model_name: Name
    initial_instance_count: Annotated[int, Field(ge=1)] = 1
    initial_variant_weight: Annotated[float, Field(ge=0)] = 1.0


class ConfigRequest(TaggedShape):
    endpoint_config_name: Name
    production_variants: Annotated[list[Variant], Field(min_length=1, max_length=10)]
    data_capture_config: CaptureRequest | None = None


class Models:
    """Creates, describes, lists and deletes both kinds."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self.operations: dict[str, Operation] = {
            "CreateModel": self.create_model,
            "DescribeModel": self.describe_model,
            "ListModels": self.list_models,
            "DeleteModel": self.delete_model,
            "CreateEndpointConfig": self.create_config,
            "DescribeEndpointConfig": self.describe_config,
            "ListEndpointConfigs": self.list_configs,
            "DeleteEndpointConfig": self.delete_config,
        }

    async def create_model(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = ModelRequest.read(values)
        container = asked.container
        problems: list[str] = []
        if container is None:
            raise validation_failure(["one container is needed: give PrimaryContainer"])
        try:
            algorithm_of(container.image, container.environment)
        except UserError as error:
            problems += problems_of(error)
        try:
            model_place(self._workplace, container)
        except ServiceFailure as error:
            problems.append(error.sentence)
        if problems:
            raise validation_failure(problems)
        self._add(MODEL, asked.model_name, values, "model")
        return {"ModelArn": self._arn(MODEL, asked.model_name)}

    async def describe_model(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        found = self.get(MODEL, str(values.get("ModelName", "")))
        given = found.state["request"]
        return without_none(
            ModelName=found.name,
            ModelArn=self._arn(MODEL, found.name),
            PrimaryContainer=given.get("PrimaryContainer"),
            Containers=given.get("Containers"),
            ExecutionRoleArn=given.get("ExecutionRoleArn"),
            CreationTime=found.created_s,
            EnableNetworkIsolation=bool(given.get("EnableNetworkIsolation")),
        )

    async def list_models(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        return self._list(MODEL, values, "Models", "Model")

    async def delete_model(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        return self._delete(MODEL, str(values.get("ModelName", "")))

    async def create_config(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = ConfigRequest.read(values)
        problems = []
        names = [variant.variant_name for variant in asked.production_variants]
        problems += [f"variant {name} is given twice" for name in sorted({n for n in names if names.count(n) > 1})]
        if not any(variant.initial_variant_weight for variant in asked.production_variants):
            problems.append("InitialVariantWeight is 0 for all variants, but one must take the calls: give it more")
        for variant in asked.production_variants:
            if self._workplace.registry.find(MODEL, variant.model_name) is None:
                problems.append(f"Could not find model {variant.model_name!r}: create it first")
        if asked.data_capture_config is not None:
            uri = asked.data_capture_config.destination_s3_uri
            try:
                self._workplace.storage.buckets.check_output(*split_uri(uri))
            except ServiceFailure as error:
                problems.append(f"DataCaptureConfig.DestinationS3Uri is {uri}: {error.sentence}")
        if problems:
            raise validation_failure(problems)
        self._add(CONFIG, asked.endpoint_config_name, values, "endpoint configuration")
        return {"EndpointConfigArn": self._arn(CONFIG, asked.endpoint_config_name)}

    async def describe_config(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        found = self.get(CONFIG, str(values.get("EndpointConfigName", "")))
        given = found.state["request"]
        return without_none(
            EndpointConfigName=found.name,
            EndpointConfigArn=self._arn(CONFIG, found.name),
            ProductionVariants=given["ProductionVariants"],
            DataCaptureConfig=given.get("DataCaptureConfig"),
            CreationTime=found.created_s,
        )

    async def list_configs(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        return self._list(CONFIG, values, "EndpointConfigs", "EndpointConfig")

    async def delete_config(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        return self._delete(CONFIG, str(values.get("EndpointConfigName", "")))

    def get(self, kind: str, name: str) -> Resource:
        """Return a resource. Raises ServiceFailure in the words that clients look for."""
        found = self._workplace.registry.find(kind, name)
        if found is None:
            noun = "endpoint configuration" if kind == CONFIG else kind
            raise ServiceFailure(
                400, "ValidationException", f'Could not find {noun} "{self._arn(kind, name[:80])}": create it first'
            )
        return found

    def _add(self, kind: str, name: str, values: dict[str, Any], noun: str) -> None:
        try:
            self._workplace.registry.add(kind, name, {"request": values, "tags": list(values.get("Tags") or ())})
        except ServiceFailure:
            raise ServiceFailure(
                400, "ValidationException", f'Cannot create already existing {noun} "{self._arn(kind, name)}"'
            ) from None

    def _delete(self, kind: str, name: str) -> dict[str, Any]:
        self._workplace.registry.remove(kind, self.get(kind, name).name)
        return {}

    def _list(self, kind: str, values: dict[str, Any], plural: str, noun: str) -> dict[str, Any]:
        found, token = list_page(self._workplace.registry.all(kind), ModelList.read(values))
        entries = [
            {f"{noun}Name": one.name, f"{noun}Arn": self._arn(kind, one.name), "CreationTime": one.created_s}
            for one in found
        ]
        return without_none(**{plural: entries, "NextToken": token})

    def _arn(self, kind: str, name: str) -> str:
        return arn(self._workplace.settings.region, kind, name)


def model_place(workplace: Workplace, container: Container) -> Path:
    """Return the model's archive, its folder, or the folder of many models. Raises ServiceFailure."""
    address = container.address
    if address is None:
        raise ServiceFailure(400, "ValidationException", "the container has no ModelDataUrl: give the model's address")
    bucket, key = split_uri(address)
    buckets = workplace.storage.buckets
    wants_folder = container.mode == "MultiModel" or not key.endswith((".tar.gz", ".tgz"))
    if wants_folder:
        key = f"{key.rstrip('/')}/" if key.strip("/") else ""
    try:
        return buckets.existing(bucket, key) if key else buckets.folder(bucket)
    except ServiceFailure as error:
        raise ServiceFailure(
            400, "ValidationException", f"Could not find model data at {address}: {error.sentence}"
        ) from error

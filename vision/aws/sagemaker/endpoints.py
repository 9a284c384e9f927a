"""SageMaker's operations on endpoints: one address for all of them, and a process for each of their variants."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request

from vision.aws.described import settled, without_none
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.request_shape import RequestShape, TaggedShape, validation_failure
from vision.aws.sagemaker.arns import arn
from vision.aws.sagemaker.listing import EndpointList, list_page
from vision.aws.sagemaker.live_endpoints import KIND, LiveEndpoints
from vision.aws.sagemaker.models import CONFIG, ConfigRequest, Models
from vision.aws.sagemaker.training_request import Name
from vision.aws.workplace import Workplace
from vision.settings.nearest import did_you_mean, shown

_WORKING = ("Creating", "Updating")


class EndpointRequest(TaggedShape):
    endpoint_name: Name
    endpoint_config_name: Name
    retain_all_variant_properties: bool = False


class VariantWeight(RequestShape):
    variant_name: Name
    desired_weight: Annotated[float, Field(ge=0)] | None = None


class WeightsRequest(RequestShape):
    endpoint_name: Name
    desired_weights_and_capacities: Annotated[list[VariantWeight], Field(min_length=1)]


class Endpoints:
    """Creates, updates, describes, lists, deletes and calls endpoints."""

    def __init__(self, workplace: Workplace, models: Models) -> None:
        self._workplace = workplace
        self._models = models
        self._live = LiveEndpoints(workplace, models)
        self.invoke = self._live.invoke
        self.end_all = self._live.end_all
        self.operations: dict[str, Operation] = {
            "CreateEndpoint": self.create,
            "UpdateEndpoint": self.update,
            "UpdateEndpointWeightsAndCapacities": self.update_weights,
            "DescribeEndpoint": self.describe,
            "ListEndpoints": self.list,
            "DeleteEndpoint": self.delete,
        }

    def recover(self) -> None:
        """Start the endpoints that an earlier server had."""
        for endpoint in self._workplace.registry.all(KIND):
            if endpoint.state["status"] != "Failed":
                self._workplace.registry.update(KIND, endpoint.name, status="Creating")
                try:
                    self._live.start(endpoint.name, endpoint.state["config"], endpoint.state.get("weights", {}))
                except ServiceFailure as error:
                    self._workplace.registry.update(KIND, endpoint.name, status="Failed", failure=error.sentence)

    async def create(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = EndpointRequest.read(values)
        self._models.get(CONFIG, asked.endpoint_config_name)
        state = {"config": asked.endpoint_config_name, "status": "Creating", "tags": list(values.get("Tags") or ())}
        try:
            self._workplace.registry.add(KIND, asked.endpoint_name, state)
        except ServiceFailure:
            raise ServiceFailure(
                400,
                "ValidationException",
                f'Cannot create already existing endpoint "{self._arn(asked.endpoint_name)}"',
            ) from None
        try:
            self._live.start(asked.endpoint_name, asked.endpoint_config_name, {})
        except BaseException:
            self._workplace.registry.remove(KIND, asked.endpoint_name)
            raise
        return {"EndpointArn": self._arn(asked.endpoint_name)}

    async def update(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Start the processes of another configuration; those of the old one answer until they do."""
        asked = EndpointRequest.read(values)
        endpoint = self._get(asked.endpoint_name)
        if endpoint.state["status"] in _WORKING:
            raise ServiceFailure(
                400,
                "ValidationException",
                f"Cannot update in-progress endpoint {shown(endpoint.name)}: wait until it is InService",
            )
        weights = endpoint.state.get("weights", {}) if asked.retain_all_variant_properties else {}
        with self._live.lock:
            self._live.start(endpoint.name, asked.endpoint_config_name, weights)
            self._workplace.registry.update(
                KIND, endpoint.name, status="Updating", coming=asked.endpoint_config_name, weights=weights
            )
        return {"EndpointArn": self._arn(asked.endpoint_name)}

    async def update_weights(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Share the calls out among the variants in another way, from the next call on."""
        asked = WeightsRequest.read(values)
        endpoint = self._get(asked.endpoint_name)
        known = self._weights(endpoint)
        unknown = [one.variant_name for one in asked.desired_weights_and_capacities if one.variant_name not in known]
        changed = {
            one.variant_name: one.desired_weight
            for one in asked.desired_weights_and_capacities
            if one.desired_weight is not None
        }
        if unknown or endpoint.state["status"] != "InService" or not any((known | changed).values()):
            raise validation_failure(
                [f"{shown(name)} is no variant of the endpoint: {did_you_mean(name, known)}" for name in unknown]
                or [f"endpoint {endpoint.name} is {endpoint.state['status']}, and one weight must be above 0"]
            )
        self._workplace.registry.update(KIND, endpoint.name, weights=known | changed)
        self._live.set_weights(endpoint.name, changed)
        return {"EndpointArn": self._arn(endpoint.name)}

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        name = str(values.get("EndpointName", ""))
        endpoint = await settled(
            lambda: self._get(name),
            lambda found: found.state["status"] not in _WORKING,
            self._workplace.settings.hold_s,
            request,
        )
        config = self._workplace.registry.find(CONFIG, endpoint.state["config"])
        capture = None if config is None else ConfigRequest.read(config.state["request"]).data_capture_config
        return without_none(
            EndpointName=endpoint.name,
            EndpointArn=self._arn(endpoint.name),
            EndpointConfigName=endpoint.state["config"],
            EndpointStatus=endpoint.state["status"],
            FailureReason=endpoint.state.get("failure"),
            ProductionVariants=[
                {
                    "VariantName": name,
                    "CurrentWeight": weight,
                    "DesiredWeight": weight,
                    "CurrentInstanceCount": 1,
                    "DesiredInstanceCount": 1,
                }
                for name, weight in self._weights(endpoint).items()
            ]
            or None,
            DataCaptureConfig=None
            if capture is None
            else {
                "EnableCapture": capture.enable_capture,
                "CaptureStatus": "Started" if capture.enable_capture else "Stopped",
                "CurrentSamplingPercentage": capture.initial_sampling_percentage,
                "DestinationS3Uri": capture.destination_s3_uri,
                "KmsKeyId": "",
            },
            CreationTime=endpoint.created_s,
            LastModifiedTime=endpoint.modified_s,
        )

    async def list(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        found, token = list_page(
            self._workplace.registry.all(KIND), EndpointList.read(values), lambda one: one.state["status"]
        )
        entries = [
            {
                "EndpointName": one.name,
                "EndpointArn": self._arn(one.name),
                "CreationTime": one.created_s,
                "LastModifiedTime": one.modified_s,
                "EndpointStatus": one.state["status"],
            }
            for one in found
        ]
        return without_none(Endpoints=entries, NextToken=token)

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        endpoint = self._get(str(values.get("EndpointName", "")))
        self._live.remove(endpoint.name)
        return {}

    def _weights(self, endpoint: Resource) -> dict[str, float]:
        """Return the weights of an endpoint's variants; empty if its configuration was deleted."""
        config = self._workplace.registry.find(CONFIG, endpoint.state["config"])
        variants = [] if config is None else ConfigRequest.read(config.state["request"]).production_variants
        changed = endpoint.state.get("weights", {})
        return {one.variant_name: changed.get(one.variant_name, one.initial_variant_weight) for one in variants}

    def _get(self, name: str) -> Resource:
        found = self._workplace.registry.find(KIND, name)
        if found is None:
            raise ServiceFailure(
                400, "ValidationException", f'Could not find endpoint "{self._arn(name[:80])}": create it first'
            )
        return found

    def _arn(self, name: str) -> str:
        return arn(self._workplace.settings.region, KIND, name)

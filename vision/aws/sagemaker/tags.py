"""SageMaker's operations on tags, which every resource may have."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from starlette.requests import Request

from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.request_shape import TaggedShape
from vision.aws.sagemaker.arns import split_arn
from vision.aws.workplace import Workplace
from vision.settings.nearest import shown


class _Request(TaggedShape):
    resource_arn: str
    tag_keys: list[str] = Field(default_factory=list)


class Tags:
    """Adds, lists and deletes tags."""

    def __init__(self, workplace: Workplace) -> None:
        self._registry = workplace.registry
        self.operations: dict[str, Operation] = {"AddTags": self.add, "ListTags": self.show, "DeleteTags": self.delete}

    async def add(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Request.read(values)
        resource = self._get(asked.resource_arn)
        now = {tag["Key"]: tag["Value"] for tag in resource.state.get("tags", ())}
        now |= {tag.key: tag.value for tag in asked.tags}
        return {"Tags": self._write(resource, now)}

    async def show(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        return {"Tags": self._get(_Request.read(values).resource_arn).state.get("tags", [])}

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Request.read(values)
        resource = self._get(asked.resource_arn)
        now = {tag["Key"]: tag["Value"] for tag in resource.state.get("tags", ())}
        self._write(resource, {key: value for key, value in now.items() if key not in asked.tag_keys})
        return {}

    def _write(self, resource: Resource, tags: dict[str, str]) -> list[dict[str, str]]:
        written = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._registry.update(resource.kind, resource.name, tags=written)
        return written

    def _get(self, arn: str) -> Resource:
        found = self._registry.find(*split_arn(arn))
        if found is None:
            raise ServiceFailure(400, "ValidationException", f"Could not find a resource with the ARN {shown(arn)}")
        return found

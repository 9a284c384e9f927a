"""Operations of Custom Labels on projects, their policies, and the tags of all resources."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request

from vision.aws.described import without_none
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.rekognition.resources import DATASET, PROJECT, VERSION, Name, Paged, Resources, failure
from vision.aws.request_shape import RequestShape
from vision.settings.nearest import shown

_MOST_POLICIES, _MOST_TAGS = 5, 200
Revision = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]+$", max_length=64)]


class _Create(RequestShape):
    project_name: Name
    feature: Literal["CUSTOM_LABELS", "CONTENT_MODERATION"] = "CUSTOM_LABELS"
    auto_update: Literal["ENABLED", "DISABLED"] | None = None
    tags: dict[str, str] = Field(default_factory=dict)


class _Describe(Paged):
    project_names: Annotated[list[Name], Field(min_length=1, max_length=10)] | None = None
    features: Annotated[list[Literal["CUSTOM_LABELS", "CONTENT_MODERATION"]], Field(max_length=2)] | None = None


class _OfProject(Paged):
    project_arn: str


class _Policy(RequestShape):
    project_arn: str
    policy_name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.\-]+$", max_length=128)]
    policy_revision_id: Revision | None = None
    policy_document: Annotated[str, Field(min_length=1, max_length=2000)] = ""


class _Tags(RequestShape):
    resource_arn: str
    tags: dict[str, str] = Field(default_factory=dict)
    tag_keys: list[str] = Field(default_factory=list)


class Projects:
    """Creates, describes and deletes projects, and keeps what is noted on them."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.operations: dict[str, Operation] = {
            "CreateProject": self.create,
            "DescribeProjects": self.describe,
            "DeleteProject": self.delete,
            "PutProjectPolicy": self.put_policy,
            "ListProjectPolicies": self.list_policies,
            "DeleteProjectPolicy": self.delete_policy,
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.list_tags,
        }

    async def create(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Create.read(values)
        if asked.feature != "CUSTOM_LABELS" or asked.auto_update == "ENABLED":
            raise failure(
                "InvalidParameterException",
                "projects here are of feature CUSTOM_LABELS, and AutoUpdate is for content moderation: leave both out",
            )
        if any(one.state["project_name"] == asked.project_name for one in self._resources.all(PROJECT)):
            raise failure("ResourceInUseException", f"project {asked.project_name} already exists: take another name")
        state = {"project_name": asked.project_name, "tags": asked.tags, "policies": {}}
        project = self._resources.add(PROJECT, f"project/{asked.project_name}", state)
        return {"ProjectArn": self._resources.arn(project.name)}

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Describe.read(values)
        names, features = asked.project_names, asked.features
        found, token = asked.page(
            [
                one
                for one in self._resources.all(PROJECT)
                if (names is None or one.state["project_name"] in names)
                and (features is None or "CUSTOM_LABELS" in features)
            ]
        )
        return without_none(ProjectDescriptions=[self._described(one) for one in found], NextToken=token)

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        project = self._resources.get(PROJECT, _OfProject.read(values).project_arn)
        for kind, noun in ((VERSION, "model versions"), (DATASET, "data sets")):
            if self._resources.all(kind, project):
                raise failure(
                    "ResourceInUseException",
                    f"project {project.state['project_name']} has {noun}: delete them first",
                )
        self._resources.remove(project)
        return {"Status": "DELETING"}

    async def put_policy(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Policy.read(values)
        project = self._resources.get(PROJECT, asked.project_arn)
        policies: dict[str, Any] = project.state["policies"]
        former = policies.get(asked.policy_name)
        self._check_revision(asked, former)
        if former is not None and asked.policy_revision_id is None:
            raise failure(
                "ResourceAlreadyExistsException",
                f"policy {asked.policy_name} already exists: give its PolicyRevisionId to replace it",
            )
        if not _is_policy(asked.policy_document):
            raise failure("MalformedPolicyDocumentException", "PolicyDocument must be a JSON object with a Statement")
        if former is None and len(policies) >= _MOST_POLICIES:
            raise failure("LimitExceededException", f"a project has at most {_MOST_POLICIES} policies")
        now, revision = time.time(), f"{self._resources.draw_number():032x}"
        policy = {
            "document": asked.policy_document,
            "revision": revision,
            "created_s": now if former is None else former["created_s"],
            "modified_s": now,
        }
        self._resources.update(project, policies={**policies, asked.policy_name: policy})
        return {"PolicyRevisionId": revision}

    async def list_policies(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _OfProject.read(values)
        project = self._resources.get(PROJECT, asked.project_arn)
        found, token = asked.page(list(project.state["policies"].items()))
        entries = [
            {
                "ProjectArn": self._resources.arn(project.name),
                "PolicyName": name,
                "PolicyRevisionId": policy["revision"],
                "PolicyDocument": policy["document"],
                "CreationTimestamp": policy["created_s"],
                "LastUpdatedTimestamp": policy["modified_s"],
            }
            for name, policy in found
        ]
        return without_none(ProjectPolicies=entries, NextToken=token)

    async def delete_policy(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Policy.read(values)
        project = self._resources.get(PROJECT, asked.project_arn)
        policies = dict(project.state["policies"])
        former = policies.pop(asked.policy_name, None)
        if former is None:
            raise failure("ResourceNotFoundException", f"policy {asked.policy_name} does not exist")
        self._check_revision(asked, former)
        self._resources.update(project, policies=policies)
        return {}

    async def tag(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Tags.read(values)
        resource = self._resources.any(asked.resource_arn)
        tags = {**resource.state["tags"], **asked.tags}
        if len(tags) > _MOST_TAGS:
            raise failure("ServiceQuotaExceededException", f"a resource has at most {_MOST_TAGS} tags")
        self._resources.update(resource, tags=tags)
        return {}

    async def untag(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Tags.read(values)
        resource = self._resources.any(asked.resource_arn)
        left = {key: value for key, value in resource.state["tags"].items() if key not in asked.tag_keys}
        self._resources.update(resource, tags=left)
        return {}

    async def list_tags(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        return {"Tags": self._resources.any(_Tags.read(values).resource_arn).state["tags"]}

    def _check_revision(self, asked: _Policy, former: dict[str, Any] | None) -> None:
        revision = asked.policy_revision_id
        if revision is not None and (former is None or revision != former["revision"]):
            raise failure(
                "InvalidPolicyRevisionIdException",
                f"PolicyRevisionId is {shown(revision)}, which is not that of policy {asked.policy_name} now",
            )

    def _described(self, project: Resource) -> dict[str, Any]:
        datasets = [
            {
                "CreationTimestamp": one.created_s,
                "DatasetType": one.state["type"],
                "DatasetArn": self._resources.arn(one.name),
                "Status": one.state["status"],
                "StatusMessage": one.state["message"],
                "StatusMessageCode": one.state["code"],
            }
            for one in self._resources.all(DATASET, project)
        ]
        return {
            "ProjectArn": self._resources.arn(project.name),
            "CreationTimestamp": project.created_s,
            "Status": "CREATED",
            "Datasets": datasets,
            "Feature": "CUSTOM_LABELS",
            "AutoUpdate": "DISABLED",
        }


def _is_policy(text: str) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and bool(value.get("Statement"))

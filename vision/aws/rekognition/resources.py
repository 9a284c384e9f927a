"""Projects, data sets, model versions and collections: how they are named, found and listed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from pydantic import Field

from vision.aws.failure import ServiceFailure
from vision.aws.registry import Registry, Resource
from vision.aws.request_shape import RequestShape
from vision.aws.settings import ACCOUNT
from vision.aws.workplace import Workplace
from vision.settings.nearest import shown

PROJECT, DATASET, VERSION, COLLECTION = "project", "dataset", "project-version", "collection"
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.\-]+$", min_length=1, max_length=255)]
Bucket = Annotated[str, Field(pattern=r"^[0-9A-Za-z\.\-_]*$", min_length=3, max_length=255)]
_NAMES = {
    PROJECT: r"project/[\w.-]{1,255}/\d+",
    DATASET: r"project/[\w.-]{1,255}/dataset/(?:train|test)/\d+",
    VERSION: r"project/[\w.-]{1,255}/version/[\w.-]{1,255}/\d+",
    COLLECTION: r"collection/[\w.-]{1,255}",
}
_ARN = r"arn:[a-z\d-]+:rekognition:[a-z\d-]+:\d{{12}}:({name})"
_Item = TypeVar("_Item")


class S3Object(RequestShape):
    """An object of a bucket."""

    bucket: Bucket
    name: Annotated[str, Field(min_length=1, max_length=1024)]


class Paged(RequestShape):
    """What all calls that answer in pages have in common."""

    max_results: Annotated[int, Field(ge=1, le=100)] = 100
    next_token: Annotated[str, Field(max_length=1024)] | None = None

    @property
    def start(self) -> int:
        """Return how many items come before the page. Raises ServiceFailure."""
        token = self.next_token or "0"
        if not (token.isascii() and token.isdecimal() and len(token) < 10):
            raise failure("InvalidPaginationTokenException", f"NextToken is {shown(token)}, which no answer has given")
        return int(token)

    def page(self, items: Sequence[_Item]) -> tuple[Sequence[_Item], str | None]:
        """Return one page of the items and the token of the next, or None."""
        end = self.start + self.max_results
        return items[self.start : end], str(end) if end < len(items) else None


class Resources:
    """The resources of Rekognition. Their names in the registry are the ends of their ARNs."""

    def __init__(self, workplace: Workplace) -> None:
        self._registry: Registry = workplace.registry
        self._region = workplace.settings.region

    def add(self, kind: str, name: str, state: Mapping[str, Any]) -> Resource:
        """Add a resource; ``name``, as ``project/birds``, gets a number that no other has had."""
        return self.add_named(kind, f"{name}/{self.draw_number()}", state)

    def add_named(self, kind: str, name: str, state: Mapping[str, Any]) -> Resource:
        """Add a resource by its own name. Raises ServiceFailure if it is taken."""
        return self._registry.add(kind, name, state)

    def draw_number(self) -> int:
        """Return a number that was never given before."""
        return self._registry.draw_number()

    def get(self, kind: str, arn: str) -> Resource:
        """Return the resource of an ARN. Raises ServiceFailure."""
        name = re.fullmatch(_ARN.format(name=_NAMES[kind]), arn, re.ASCII)
        noun = kind.replace("-", " ")
        if name is None:
            raise failure("InvalidParameterException", f"{shown(arn)} is not the ARN of a {noun}")
        found = self._registry.find(kind, name[1])
        if found is None:
            raise failure("ResourceNotFoundException", f"{noun} {shown(arn)} does not exist")
        return found

    def find(self, kind: str, name: str) -> Resource | None:
        """Return a resource by its name in the registry, or None."""
        return self._registry.find(kind, name)

    def any(self, arn: str) -> Resource:
        """Return the resource of an ARN of any kind. Raises ServiceFailure."""
        kind = VERSION if "/version/" in arn else DATASET if "/dataset/" in arn else PROJECT
        return self.get(COLLECTION if ":collection/" in arn else kind, arn)

    def all(self, kind: str, project: Resource | None = None) -> list[Resource]:
        """Return the resources of a kind, of all projects or of one, the oldest first."""
        found = [one for one in self._registry.all(kind) if project is None or one.state["project"] == project.name]
        # Collections have names of their own, without numbers.
        return found if kind == COLLECTION else sorted(found, key=number_of)

    def update(self, resource: Resource, **changes: Any) -> None:
        """Set values of a resource's state; one that was deleted meanwhile stays so."""
        self._registry.update(resource.kind, resource.name, **changes)

    def remove(self, resource: Resource) -> None:
        """Remove a resource."""
        self._registry.remove(resource.kind, resource.name)

    def arn(self, name: str) -> str:
        """Return the ARN of the resource that has this name in the registry."""
        return f"arn:aws:rekognition:{self._region}:{ACCOUNT}:{name}"


def number_of(resource: Resource) -> int:
    """Return the number at the end of a resource's name."""
    return int(resource.name.rpartition("/")[2])


def failure(code: str, sentence: str) -> ServiceFailure:
    """Return a failure that is the client's fault."""
    return ServiceFailure(400, code, sentence)


@contextmanager
def reading_object() -> Iterator[None]:
    """Raise the service's own failure where an object of a bucket cannot be read in the block."""
    try:
        yield
    except (ServiceFailure, OSError) as error:
        raise failure(
            "InvalidS3ObjectException",
            "Unable to get object metadata from S3. Check object key, region and/or access permissions:"
            f" {error.sentence if isinstance(error, ServiceFailure) else error.strerror}",
        ) from None

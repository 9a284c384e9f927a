"""The shapes of requests: typed fields under the names of the clients, with every problem said at once.

The sentences are those of the service, which clients and people know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from vision.aws.failure import ServiceFailure
from vision.settings.counted import counted
from vision.settings.nearest import shown

_MOST_PROBLEMS = 20


class RequestShape(BaseModel):
    """Base of all shapes. A field ``s3_uri`` is ``S3Uri`` in the request; fields that are not declared are ignored."""

    model_config = ConfigDict(alias_generator=to_pascal, frozen=True, extra="ignore", protected_namespaces=())

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Read a request. Raises ServiceFailure with all problems."""
        try:
            return cls.model_validate(dict(values), strict=True)
        except ValidationError as error:
            problems = [_problem(item) for item in error.errors(include_url=False)]
        raise validation_failure(problems)


class Tag(RequestShape):
    """A tag of a resource."""

    key: str
    value: str = ""


class TaggedShape(RequestShape):
    """Base of the requests that make a resource, which may have tags."""

    tags: list[Tag] = Field(default_factory=list)


def validation_failure(problems: list[str]) -> ServiceFailure:
    """Return the failure of a request with these problems, at least one."""
    count = f"{counted(len(problems), 'validation error')} detected"
    return ServiceFailure(400, "ValidationException", f"{count}: {'; '.join(problems[:_MOST_PROBLEMS])}")


def _problem(item: Any) -> str:
    place = ".".join(str(part) if isinstance(part, int) else part[:1].lower() + part[1:] for part in item["loc"])
    context = item.get("ctx", {})
    value = "null" if item["type"] == "missing" else shown(item["input"])
    # "'a', 'b' or 'c'"
    choices = str(context.get("expected")).replace(" or ", ", ").replace("'", "")
    wanted = {
        "missing": "Member must not be null",
        "string_pattern_mismatch": f"Member must satisfy regular expression pattern: {context.get('pattern')}",
        "literal_error": f"Member must satisfy enum value set: [{choices}]",
        "string_too_long": f"Member must have length less than or equal to {context.get('max_length')}",
        "string_too_short": f"Member must have length greater than or equal to {context.get('min_length')}",
        "greater_than_equal": f"Member must have value greater than or equal to {context.get('ge')}",
        "less_than_equal": f"Member must have value less than or equal to {context.get('le')}",
    }.get(item["type"], item["msg"])
    return f"Value {value} at '{place}' failed to satisfy constraint: {wanted}"

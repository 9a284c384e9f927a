"""Which service and region a request is signed for. The signature itself is not checked: any key is welcome here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SCOPE = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_QUERY_SCOPE = re.compile(r"([^/]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")


@dataclass(frozen=True)
class SignedScope:
    """The credential scope of a request, as ``sagemaker`` in ``eu-west-1``."""

    service: str
    region: str

    @classmethod
    def of(cls, headers: Mapping[str, str], query: Mapping[str, str], region: str) -> SignedScope | None:
        """Return the scope of a signed or presigned request, or None for one that no AWS client made.

        ``region`` is that of presigned addresses of the old form, which name none.
        """
        found = _SCOPE.search(headers.get("authorization", "")) or _QUERY_SCOPE.fullmatch(
            query.get("X-Amz-Credential", "")
        )
        if found is not None:
            return cls(found[4], found[3])
        if {"AWSAccessKeyId", "Signature"}.issubset(query):
            return cls("s3", region)
        return None

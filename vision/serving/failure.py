"""A request that cannot be answered: an HTTP status and one sentence for the client."""

from __future__ import annotations

import json

from starlette.responses import Response


class RequestFailure(Exception):
    """Ends a request with ``status`` and ``sentence``."""

    def __init__(self, status: int, sentence: str, retry_after_s: int | None = None) -> None:
        self.status = status
        self.sentence = sentence
        self.retry_after_s = retry_after_s
        super().__init__(sentence)


def failure_response(failure: RequestFailure) -> Response:
    """The JSON object ``{"error": sentence}``."""
    body = json.dumps({"error": failure.sentence}) + "\n"
    headers = {} if failure.retry_after_s is None else {"retry-after": str(failure.retry_after_s)}
    if failure.status == 413:
        # What is left of the body is not read.
        headers["connection"] = "close"
    return Response(body, failure.status, headers, media_type="application/json")

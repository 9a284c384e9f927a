"""Failures of AWS calls: an HTTP status, the service's name for the error, and one sentence."""

from __future__ import annotations


class ServiceFailure(Exception):
    """Ends a call. Each protocol gives it its own shape; ``code`` is the name that clients test for."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        self.status = status
        self.code = code
        self.sentence = sentence
        super().__init__(sentence)


def internal_failure(code: str = "InternalFailure") -> ServiceFailure:
    """Return a failure that says nothing of the server's inside; services have different names for it."""
    return ServiceFailure(500, code, "the server failed on this call; its log says why")

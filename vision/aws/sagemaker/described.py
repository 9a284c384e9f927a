"""What Describe calls have in common: absent values stay absent, and a caller may wait a moment for a change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from vision.aws.registry import Resource

_LOOK_S = 0.1
# Work older than this takes hours: nobody notices whether they learn of its end at once.
_YOUNG_S = 3600.0


def without_none(**values: Any) -> dict[str, Any]:
    """Return the values that are set: SDK version 3 does not accept empty ones."""
    return {name: value for name, value in values.items() if value is not None}


async def settled(
    look: Callable[[], Resource], is_settled: Callable[[Resource], bool], hold_s: float, request: Request
) -> Resource:
    """Return a resource as soon as its work has ended, or as it is after ``hold_s``.

    Clients ask in steps of 30 to 120 seconds, so an answer that comes a little later saves minutes.
    """
    resource, until = look(), time.monotonic() + hold_s
    while (
        not is_settled(resource)
        and time.monotonic() < until
        and time.time() - resource.created_s < _YOUNG_S
        and not await request.is_disconnected()
    ):
        await asyncio.sleep(_LOOK_S)
        resource = look()
    return resource

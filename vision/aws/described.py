"""What Describe calls have in common: absent values stay absent, and a caller may wait for an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from vision.aws.registry import Resource
from vision.aws.waiter import is_waiter

_LOOK_S = 0.1
# Short work only: who follows long work by Describe wants to see how far it is.
_YOUNG = 3


def without_none(**values: Any) -> dict[str, Any]:
    """Return the values that are set: SDK version 3 does not accept empty ones."""
    return {name: value for name, value in values.items() if value is not None}


async def settled(
    look: Callable[[], Resource], is_settled: Callable[[Resource], bool], hold_s: float, request: Request
) -> Resource:
    """Return a resource as soon as its work has ended, or as it is after ``hold_s``.

    Clients ask in steps of 5 to 120 seconds, so an answer that comes a little later saves up to minutes. Waiters do
    nothing but wait, so they are held to the end; others no longer when the work is older than three times ``hold_s``.
    """
    resource, waited_s = look(), 0.0
    to_the_end = hold_s > 0 and is_waiter(request)
    while (
        not is_settled(resource)
        and (to_the_end or (waited_s < hold_s and time.time() - resource.created_s < _YOUNG * hold_s))
        and not await request.is_disconnected()
    ):
        pause_s = min(1.0, _LOOK_S + waited_s / 50)
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        resource = look()
    return resource

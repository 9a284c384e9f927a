"""Waiters of clients: calls that only want to hear of an end, and that ask again in 30 to 120 seconds if they do not.

Such a call is answered when the end is there, however late: blanks before the JSON keep the client from giving up.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

# botocore writes letters for the features that a call uses into its User-Agent: B is a waiter.
_WAITER = re.compile(r"(?:^| )m/(?:[\w+-]+,)*B(?:,| |$)")
# Clients give up after 60 s without a byte.
_FIRST_BLANK_S, _NEXT_BLANK_S = 20.0, 10.0


def is_waiter(request: Request) -> bool:
    """Return whether a waiter of boto3 or the AWS CLI asks."""
    return _WAITER.search(request.headers.get("user-agent", "")) is not None


async def keep_waiting(answer: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Answer a waiter, with blanks before the answer if it takes long; the status is 200 from then on."""
    task = asyncio.ensure_future(answer(request))
    try:
        await asyncio.wait({task}, timeout=_FIRST_BLANK_S)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if task.done():
        return task.result()
    return StreamingResponse(_with_blanks(task), media_type="application/x-amz-json-1.1")


async def _with_blanks(task: asyncio.Future[Response]) -> AsyncIterator[bytes]:
    try:
        while not task.done():
            yield b" "
            await asyncio.wait({task}, timeout=_NEXT_BLANK_S)
        yield bytes(task.result().body)
    finally:
        task.cancel()

"""Work spread over processes, with its results in the order of the work."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from vision.settings.errors import UserError

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")

_ORPHAN_POLL_S = 1.0
# No image takes minutes; a worker that somebody stopped, or that hangs on a network drive, would be waited for forever.
_STALL_S = 600.0


def ordered_map(
    function: Callable[[Shared, Item], Result], shared: Shared, items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Yield ``function(shared, item)`` for each item, in order, from ``workers`` processes; one is this process itself.

    A few items for each worker are under way at a time, so that neither work nor results pile up. ``function`` is
    defined at the top of a module; ``shared`` goes to each worker once.
    """
    if workers <= 1:
        for item in items:
            yield function(shared, item)
        return
    # Forked workers start at once and share what is already imported; nothing here has started threads by then.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(os.getpid(), shared)) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(_call, function, item))
                if len(pending) > 2 * workers:
                    yield _result(pending.popleft())
            while pending:
                yield _result(pending.popleft())
        except BrokenProcessPool:
            _kill(pool)
            raise UserError(
                "a worker process was ended from outside, probably for want of memory: use fewer workers"
            ) from None
        except _StalledError:
            _kill(pool)
            raise UserError(
                f"no worker process gave a result within {_STALL_S:g} s: one is stopped, or the disk or network drive "
                f"of the data hangs; see to it, then start again"
            ) from None
        finally:
            for future in pending:
                future.cancel()


class _StalledError(Exception):
    """Nothing comes from the workers."""


def _result(future: Future[Result]) -> Result:
    """Return the result of the work, or raise what it raised."""
    wait([future], _STALL_S)
    if not future.done():
        raise _StalledError
    return future.result()


def _kill(pool: ProcessPoolExecutor) -> None:
    """A stopped process takes no request to end, and Python would wait for it for ever."""
    for process in list((pool._processes or {}).values()):
        process.kill()


class _Worker:
    """What this process holds when it is a worker."""

    shared: Any = None


def _call(function: Callable[[Any, Item], Result], item: Item) -> Result:
    return function(_Worker.shared, item)


def _start_worker(parent: int, shared: object) -> None:
    _Worker.shared = shared
    # Ctrl-C reaches every process of the terminal; the main one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """A killed parent cannot end its workers, and they would wait for work forever."""
    while os.getppid() == parent:
        time.sleep(_ORPHAN_POLL_S)
    os._exit(1)

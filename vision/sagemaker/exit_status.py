"""The exit status of a training container, and the failure file that the platform shows as FailureReason."""

from __future__ import annotations

import logging
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from vision.files.atomic_file import write_whole
from vision.files.write_error import machine_trouble, make_folder
from vision.settings.errors import UserError, is_out_of_memory

USER_ERROR = 2
ALGORITHM_ERROR = 1
# The exit status of a process that lost another one; the launcher finds out why.
PEER_LOST = 3
_SIGNALLED = 128

log = logging.getLogger(__name__)


class Stopped(BaseException):
    """Raised on SIGTERM while there is nothing to save."""

    status = _SIGNALLED + signal.SIGTERM


def exit_status_of(work: Callable[[], int], failure: Path) -> int:
    """Do the work and return the exit status: its own, 2 for a user error, 1 for a defect, 143 after SIGTERM.

    Errors are written to the file ``failure``, of which the platform shows the first 1024 characters.
    """
    signal.signal(signal.SIGTERM, _stop)
    try:
        return work()
    except Stopped:
        log.warning("stopped by SIGTERM; what was saved before is in place")
        return Stopped.status
    except UserError as error:
        return fail(failure, f"ClientError: {error}", USER_ERROR)
    except Exception as error:
        sentence = _machine_error(error)
        if sentence is not None:
            return fail(failure, f"ClientError: {sentence}", USER_ERROR)
        traceback.print_exc()
        text = f"Algorithm Error: {type(error).__name__}: {error} (a defect of the algorithm; the log has the details)"
        return fail(failure, text, ALGORITHM_ERROR)


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    # Without a handler, Python as process 1 of a container would ignore the signal.
    raise Stopped


def _machine_error(error: Exception) -> str | None:
    """Return a sentence for memory and disk errors, which the user can fix; None for any other error."""
    if is_out_of_memory(error):
        said = str(error)[:300]
        return f"the memory is used up ({said}): lower mini_batch_size or image_shape, or take a larger machine"
    return machine_trouble(error) if isinstance(error, OSError) else None


def fail(failure: Path, text: str, status: int) -> int:
    """Print the text, write it to the file ``failure`` and return the status."""
    print(text, file=sys.stderr, flush=True)
    try:
        make_folder(failure.parent)
        write_whole(failure, f"{text}\n".encode(errors="replace"))
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
    return status

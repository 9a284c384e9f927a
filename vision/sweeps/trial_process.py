"""One trial as a process of its own, which never outlives its sweep."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from vision.files.atomic_file import write_whole
from vision.files.write_error import writing
from vision.settings.errors import UserError

LOG, LOCK, STATUS, PROCESS = "output.log", ".lock", ".status", ".process"
_POLL_S = 0.2
_LAST_BYTES = 4096


class TrialProcess:
    """A trial that runs in ``folder`` and writes its output to output.log there.

    The process holds the reading end of a pipe, which closes when the sweep ends, however it ends. The process and
    all that it forks hold a lock, which shows a resumed sweep that they still run. They are one process group, so
    that they can be ended together.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        words: Sequence[str],
        environment: Mapping[str, str],
        working_folder: str,
    ) -> None:
        self.folder = folder
        self.asked_to_end_s: float | None = None
        watched, self._pipe = os.pipe()
        with ExitStack() as opened:
            opened.callback(os.close, watched)
            with writing(folder):
                lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
                opened.callback(os.close, lock)
                (folder / STATUS).unlink(missing_ok=True)
                log = opened.enter_context((folder / LOG).open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._process = subprocess.Popen(
                [*command, str(watched), str(folder / STATUS), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=working_folder,
                pass_fds=(watched, lock),
                start_new_session=True,
            )
        try:
            write_whole(folder / PROCESS, str(self._process.pid), durable=False)
        except BaseException:
            # No one else can find and end this process yet.
            self.kill()
            raise

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while the process runs."""
        status = self._process.poll()
        if status is not None:
            self._close()
        return status

    def ask_to_end(self) -> None:
        """Send SIGTERM, at which training saves its state and ends."""
        self.asked_to_end_s = time.monotonic()
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process and everything it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _close(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


def ended_status(folder: Path) -> int | None:
    """Return the exit status that a trial wrote at its end, or None if it was killed before."""
    try:
        return int((folder / STATUS).read_text())
    except (OSError, ValueError):
        return None


def wait_until_free(folder: Path, patience_s: float) -> None:
    """Wait until no process of an earlier sweep works in a trial's folder; kill those that take too long."""
    if not (folder / LOCK).exists():
        return
    descriptor = os.open(folder / LOCK, os.O_RDWR)
    try:
        until = time.monotonic() + patience_s
        while not _lock(descriptor):
            if time.monotonic() > until:
                _end_group(folder)
                until = time.monotonic() + patience_s
            time.sleep(_POLL_S)
    finally:
        os.close(descriptor)


def last_line(folder: Path) -> str:
    """Return the last line of a trial's output, for a message."""
    try:
        with (folder / LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _end_group(folder: Path) -> None:
    """Kill the process group that holds the lock; while it does, its number cannot belong to another group."""
    try:
        group = int((folder / PROCESS).read_text())
        os.killpg(group, signal.SIGKILL)
    except (OSError, ValueError) as error:
        raise UserError(
            f"a process of an earlier sweep still works in {folder} and cannot be ended ({error}): end it first"
        ) from error

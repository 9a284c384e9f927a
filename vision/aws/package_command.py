"""Commands of this package that do the work of a job, in processes of their own."""

from __future__ import annotations

import shlex
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Mapping

from vision.aws.child_process import ask_to_end, start_child
from vision.aws.logs.log_store import LogWriter

_LAST_LINES = 5
_PACKAGE = "vision"
_SENTENCE = "vision: "


class CommandFailed(Exception):
    """The work failed, for the reason that the sentence gives."""


class CommandStopped(Exception):
    """The work was asked to end."""


class PackageCommands:
    """Runs commands one after the other, until it is asked to stop, as when the server ends."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._child: subprocess.Popen[str] | None = None

    def stop(self) -> None:
        """Ask the work to end; it is killed after two minutes."""
        self._stopping.set()
        ask_to_end(self._child)

    def check_stopped(self) -> None:
        """Raise CommandStopped if the work was asked to end."""
        if self._stopping.is_set():
            raise CommandStopped

    def run(self, log: LogWriter, variables: Mapping[str, str], *words: str, module: str = _PACKAGE) -> str:
        """Run a command to its end and return its last line. Raises CommandFailed and CommandStopped."""
        log.write(f"{module} {shlex.join(words)}\n")
        self._child = child = start_child(module, words, variables)
        if self._stopping.is_set():
            self.stop()
        last: deque[str] = deque(maxlen=_LAST_LINES)
        assert child.stdout is not None
        for line in child.stdout:
            log.write(line)
            last.append(line.strip())
        status = child.wait()
        self.check_stopped()
        if status:
            command = f"{_PACKAGE} {words[0]}" if module == _PACKAGE else module
            raise CommandFailed(f"{command} failed: {_reason(last) or f'exit status {status}'}")
        return last[-1] if last else ""


def _reason(lines: Iterable[str]) -> str:
    """Return the last sentence of a command, or all lines if none begins as one."""
    found: list[str] = []
    for line in lines:
        if line.startswith(_SENTENCE):
            found = []
        found.append(line.removeprefix(_SENTENCE))
    return " ".join(found)

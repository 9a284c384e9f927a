"""One model at work: a child process that serves it on a port of its own."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

from vision.aws.child_process import end_child, start_child
from vision.aws.logs.log_store import LogWriter

_ADDRESS = re.compile(r"vision: serving .* on http://127\.0\.0\.1:(\d+) ")
_READY = "vision: ready after"
_LAST_LINES = 5
_END_S = 30.0
# Serving settings that the endpoint itself decides.
_OWN = frozenset({"model", "host", "port", "hosts", "token", "endpoint", "multi_model", "indexes"})
_VARIABLE = "VISION_SERVE_"


class EndpointWorker:
    """Starts at once with ``words``, settings of ``vision serve``, and those of ``environment``, which are a client's.

    ``ready`` is called when the model answers, ``ended``, with the last lines of the log, if it ends by itself.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        log: LogWriter,
        ready: Callable[[EndpointWorker], None],
        ended: Callable[[EndpointWorker, str], None],
    ) -> None:
        self.port = 0
        self._words = ["serve", *words, "port=0"]
        self._environment = {
            variable: value
            for variable, value in environment.items()
            if variable.startswith(_VARIABLE) and variable.removeprefix(_VARIABLE).lower() not in _OWN
        }
        self._log = log
        self._ready, self._ended = ready, ended
        self._is_ending = False
        self._child: subprocess.Popen[str] | None = None
        threading.Thread(target=self._run, name=f"endpoint {name}", daemon=True).start()

    def end(self) -> None:
        """End the process; requests that it has are answered before."""
        self._is_ending = True
        child = self._child
        if child is not None:
            threading.Thread(target=end_child, args=(child, _END_S), daemon=True).start()

    def _run(self) -> None:
        last: list[str] = []
        try:
            self._child = child = start_child("vision", self._words, self._environment)
            if self._is_ending:
                self.end()
            assert child.stdout is not None
            for line in child.stdout:
                self._log.write(line)
                last = [*last, line.strip()][-_LAST_LINES:]
                found = _ADDRESS.match(line)
                if found is not None:
                    self.port = int(found[1])
                if line.startswith(_READY):
                    self._ready(self)
            child.wait()
        finally:
            self._log.close()
            if not self._is_ending:
                self._ended(self, " ".join(last) or "the process ended without a word")

"""A worker process of several; started by the supervisor, which it does not outlive."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any

from vision.serving.metrics import Metrics
from vision.serving.server import run_worker
from vision.serving.settings import ServingSettings
from vision.serving.supervisor import PLAN_VARIABLE


def main(plan: Mapping[str, Any]) -> int:
    """Serve as the plan says; the exit status."""
    logging.basicConfig(level=logging.INFO, format=f"%(message)s [worker {plan['worker']}]")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # Ctrl-C goes to the whole group; the supervisor passes it on in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    return run_worker(
        ServingSettings.parse(plan["settings"]),
        socket.socket(fileno=plan["listener"]),
        Metrics(plan["workers"], plan["worker"], plan["metrics"]),
        answer_early=plan["answer_early"],
    )


def _end_with_supervisor() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(json.loads(os.environ.pop(PLAN_VARIABLE))))

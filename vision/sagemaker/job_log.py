"""The log of a container: one stream, lines as SageMaker's own algorithms write them."""

from __future__ import annotations

import logging
import os
import sys


def log_to_stdout() -> None:
    """Warnings and progress go the way of the metric lines, where the platform's log keeps them in order.

    The further processes of a job only warn.
    """
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING,
        format="[%(asctime)s %(levelname)s %(process)d] %(message)s",
        datefmt="%m/%d/%Y %H:%M:%S",
        force=True,
    )

"""The image's entry point; the platform gives ``train`` or ``serve`` as its argument."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {"train": "vision.sagemaker.train", "serve": "vision.sagemaker.serve"}


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    if not argv or argv[0] not in COMMANDS:
        print(f"usage: {' | '.join(COMMANDS)}; received {' '.join(argv) or 'nothing'}", file=sys.stderr)
        return 2
    return int(importlib.import_module(COMMANDS[argv[0]]).main(argv[1:]) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``vision train`` from a checkout: ``python scripts/train.py algorithm=image_classification ...``."""

from __future__ import annotations

import sys

from vision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))

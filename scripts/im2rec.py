"""``vision im2rec`` from a checkout, for scripts that call MXNet's ``im2rec.py PREFIX ROOT ...``."""

from __future__ import annotations

import sys

from vision.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["im2rec", *sys.argv[1:]]))

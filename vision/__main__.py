"""``python -m vision`` is the command ``vision``."""

import sys

from vision.cli.main import main

sys.exit(main())

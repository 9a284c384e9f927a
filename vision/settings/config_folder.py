"""Where the config files are that come with the package."""

from __future__ import annotations

from pathlib import Path

import vision


def config_folder() -> Path:
    """Return the folder of config files: inside the package when installed, beside it in a checkout."""
    package = Path(vision.__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"

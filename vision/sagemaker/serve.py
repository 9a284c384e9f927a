"""The command ``serve`` of the container: serve the model that the platform has unpacked, on the port it asks for.

Every setting of ``vision serve`` can be given as an environment variable, VISION_SERVE_MAX_BATCH=32 for example.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from vision.sagemaker.prefix import VARIABLE, Prefix
from vision.serving.settings import ServingSettings, from_environment
from vision.serving.supervisor import serve
from vision.settings.errors import UserError

FAILED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM and return the exit status."""
    parser = argparse.ArgumentParser(prog="serve", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve"], help="accepted because an image may pass it on")
    parser.add_argument("--prefix", help=f"folder in place of /opt/ml (also: {VARIABLE})")
    arguments = parser.parse_args(argv)
    try:
        return serve(container_settings(arguments.prefix, os.environ))
    except UserError as error:
        print(f"vision: {error}", file=sys.stderr)
        return FAILED


def container_settings(prefix: str | None, environ: Mapping[str, str]) -> ServingSettings:
    """Return settings that listen on every network, with the model below the prefix. Raises SettingsError."""
    values: dict[str, object] = {"host": "0.0.0.0", **from_environment(environ)}
    places = Prefix.choose(prefix, environ)
    is_multi_model = str(values.get("multi_model", "")).strip().lower() in ("true", "1")
    values.setdefault("model", places.models if is_multi_model else places.model)
    return ServingSettings.parse(values)

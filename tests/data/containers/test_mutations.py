"""Thousands of damaged files in a process of its own, whose memory and processor time are measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from PIL import features

from vision.data.heic_decoder import can_decode

# 5000 for a long look.
FILES = int(os.environ.get("VISION_TEST_MUTATIONS", "300"))
# 200 MB above what decoding began with; a file of a million pixels at most needs far less.
MOST_BYTES = 200_000_000
# Processor time; some milliseconds are usual.
MOST_S = 10.0


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "HEIC"])
def test_damaged_files_decode_or_are_refused_within_bounds(form: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow does not read AVIF")
    if form == "HEIC" and not can_decode():
        pytest.skip("the extra heif is not installed")
    command = [sys.executable, "-m", "tests.data.containers.mutated_images", form, str(FILES)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout)
    assert found["decoded"] + found["refused"] == FILES
    assert found["decoded"] > 0
    assert found["bytes"] < MOST_BYTES
    assert found["longest_s"] < MOST_S

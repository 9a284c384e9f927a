"""Stands for ``vision video`` and the probe of videos where a test is about answers, not about finding labels.

It sees a dog that comes, goes and comes again, and two birds, of which one is unsure. A file that begins with "broken"
is none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FACTS = {
    "codec": "h264",
    "format": "QuickTime / MOV",
    "width_px": 640,
    "height_px": 480,
    "frame_rate": 25.0,
    "duration_ms": 5000,
}
BOX = [0.25, 0.5, 0.5, 1.0]
DOG_S = (0.0, 0.5, 1.0, 4.0, 4.5)


def frames() -> list[dict[str, Any]]:
    found = []
    for number in range(10):
        seconds = number / 2
        objects = [{"label": "bird", "score": 0.9, "box": BOX}, {"label": "bird", "score": 0.6, "box": [0, 0, 1, 1]}]
        dogs = [{"label": "dog", "score": 0.7 + number / 100, "box": BOX}] if seconds in DOG_S else []
        found.append({"frame": number, "seconds": seconds, "objects": objects + dogs})
    return found


def main(module: str, words: Sequence[str]) -> None:
    if module == "vision.video.probe":
        content = Path(words[0]).read_bytes()
        if content.startswith(b"broken"):
            sys.exit("vision: the video is no MP4 file")
        if content.startswith(b"slow") and not Path(words[0]).parents[3].joinpath("go").exists():
            time.sleep(600)
        print(json.dumps(FACTS))
        return
    assert words[0] == "video", words
    settings = dict(word.split("=", 1) for word in words[2:])
    folder = Path(settings["output"])
    folder.mkdir()
    is_mask = Path(words[1]).read_bytes().startswith(b"mask")
    lines = [{"seconds": 0.0, "shares": {"sky": 1.0}}] if is_mask else frames()
    (folder / "frames.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def start_instead(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start this program in place of another."""
    from vision.aws.child_process import start_child

    return start_child("tests.aws.fake_video", [module, *arguments], environment)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

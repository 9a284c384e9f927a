"""What a run asks of the cache of decoded images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class CacheSettings:
    """``epochs``: how often each image is read. ``processes`` of the run share this machine's memory.

    ``folder`` is where ``disk`` keeps its files.
    """

    kind: Literal["auto", "memory", "disk", "none"] = "none"
    folder: Path = Path("runs") / "cache"
    epochs: int = 1
    processes: int = 1
    on_gpu: bool = False

"""What ``vision video`` looks at in a video, and what it writes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from vision.settings.nearest import shown
from vision.settings.table import Rule, SettingsTable


def _output_problem(given: VideoSettings) -> str | None:
    output = given.output
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    return f"Setting output is {shown(str(output))}, which is there already: give a new folder."


class VideoSettings(SettingsTable):
    """The settings of one look at videos, by their bare names."""

    NOUN: ClassVar[str] = "Setting"
    RULES: ClassVar[tuple[Rule, ...]] = (Rule(("output",), _output_problem),)

    output: Path = Field(description="new folder to write into", examples=["seen"])
    fps: float | None = Field(
        default=None, ge=0.01, le=1000, description="frames looked at a second; unset is every frame", examples=[2]
    )
    track: bool | None = Field(
        default=None,
        description="follow objects from frame to frame; unset is yes where the model finds boxes",
        examples=[True],
    )
    score: float = Field(
        default=0.5, ge=0, le=1, description="boxes below begin no track, and are left out unless they belong to one"
    )
    seconds: float | None = Field(
        default=None, gt=0, description="leave a video after this time; unset is its end", examples=[60]
    )
    frames: int | None = Field(
        default=None, ge=1, description="leave a video after so many frames looked at; unset is its end", examples=[100]
    )
    annotate: bool = Field(default=True, description="write annotated.mp4, the frames with what was seen drawn in")
    label: int = Field(
        default=20, ge=0, le=1000, description="most frames to choose as worth a label, of all videos; 0: none"
    )

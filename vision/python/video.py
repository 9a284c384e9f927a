"""Looks at videos in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from vision.python.keywords import RunKeywords, VideoKeywords
from vision.python.model import Model, load
from vision.python.notebook import data_frame
from vision.settings.video import VideoSettings
from vision.video.sources import find_sources
from vision.video.watching import VideoSummary, Watching

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class VideoResult:
    """What was seen in ``videos``, and the ``files`` that were written, those of the frames worth a label too."""

    videos: tuple[VideoSummary, ...]
    files: tuple[Path, ...]

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame with a row for each class that was seen in a video. Needs pandas."""
        rows = [(one.name, *astuple(seen)) for one in self.videos for seen in one.classes]
        return data_frame(("video", "label", "times", "frames", "mean_score"), rows)


def watch(
    videos: str | Path | int | Sequence[str | Path | int],
    model: str | Path | Model,
    *,
    run: RunKeywords | Mapping[str, object] | None = None,
    **settings: Unpack[VideoKeywords],
) -> VideoResult:
    """Look at frames of videos, of folders of them, of a camera by its number or of a stream by its URL.

    Writes into the new folder ``output`` what ``vision video`` writes, which ``vision video --help`` describes, as it
    does the other settings. Raises DataError naming a video that cannot be read, and UserError.

    >>> seen = vision.watch("clip.mp4", "runs/cells", fps=2, output="seen")
    >>> seen.videos[0].frames, seen.files
    """
    checked = VideoSettings.parse(settings)
    sources = find_sources([str(one) for one in ([videos] if isinstance(videos, str | Path | int) else videos)])
    loaded = model if isinstance(model, Model) else load(model, run=run)
    name = "model" if isinstance(model, Model) else Path(model).name
    watching = Watching(loaded, checked, name, several=len(sources) > 1)
    summaries = tuple(watching.watch(source, shows_progress=True) for source in sources)
    written = watching.close()
    return VideoResult(summaries, (*(path for one in summaries for path in one.files), *written))

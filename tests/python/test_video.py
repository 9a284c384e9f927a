from __future__ import annotations

from pathlib import Path

import pytest

import vision
from tests.video.clips import write_clip
from tests.video.square_finder import box_model
from vision.python.model import Model, become
from vision.settings.errors import SettingsError


def test_a_clip_is_watched(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    found = vision.watch(clip, become(Model, box_model()), fps=5, output=tmp_path / "out", label=0)
    assert [one.frames for one in found.videos] == [10]
    assert tmp_path / "out" / "tracks.csv" in found.files
    assert found.to_pandas()[["label", "times", "frames"]].to_numpy().tolist() == [["square", 1, 10]]
    with pytest.raises(SettingsError, match="is there already: give a new folder"):
        vision.watch([clip], become(Model, box_model()), output=tmp_path / "out")

"""Annotated videos last as long as what they show."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from vision.settings.errors import UserError
from vision.video import annotated_video
from vision.video.annotated_video import CODECS, AnnotatedVideo
from vision.video.capture import Capture
from vision.video.sources import Source


def written(path: Path, times: list[float], size: tuple[int, int] = (33, 21)) -> tuple[int, float, tuple[int, int]]:
    with AnnotatedVideo(path, 10) as video:
        for second in times:
            video.add(Image.new("RGB", size, "red"), second)
    assert video.codec in CODECS
    with Capture(Source(path=path)) as capture:
        return capture.num_frames, capture.frame_rate, capture.size_px


@pytest.mark.parametrize(
    ("times", "frames"),
    [([0.0, 0.1, 0.2], 3), ([0.0, 0.5, 0.6], 7), ([0.0, 0.01, 0.02], 3), ([0.0, 1e12], 301), ([0.0], 1)],
)
def test_pictures_stay_until_the_next_ones_time(tmp_path: Path, times: list[float], frames: int) -> None:
    # Odd sides lose a pixel, which encoders cannot hold.
    assert written(tmp_path / "a.mp4", times) == (frames, 10.0, (32, 20))


def test_uneven_times_do_not_add_up(tmp_path: Path) -> None:
    # Each is 1.4 pictures after the one before, as where a model takes so long for a live frame; then 0.6.
    assert written(tmp_path / "slow.mp4", [0.14 * place for place in range(51)])[0] == 71
    uneven = [*(0.06 * place for place in range(11)), *(0.6 + 0.2 * place for place in range(1, 11))]
    assert written(tmp_path / "uneven.mp4", uneven)[0] == 27


@pytest.mark.parametrize("rate", [0.01, 1 / 3, 24000 / 1001, 12.3456789, 240.0, 1000.0])
def test_any_rate_that_is_allowed_can_be_written(tmp_path: Path, rate: float) -> None:
    with AnnotatedVideo(tmp_path / "a.mp4", rate) as video:
        video.add(Image.new("RGB", (32, 20)), 0.0)
    with Capture(Source(path=tmp_path / "a.mp4")) as capture:
        assert capture.num_frames == 1


def test_without_an_encoder_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotated_video, "CODECS", {"zzzz": "nothing"})
    with pytest.raises(UserError, match="has no encoder for MP4; give annotate=false"):
        written(tmp_path / "a.mp4", [0.0])


def test_a_video_that_did_not_reach_the_disk_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    video = AnnotatedVideo(path, 10)
    video.add(Image.new("RGB", (32, 20)), 0.0)
    path.unlink()
    with pytest.raises(UserError, match="cannot be written whole"):
        video.__exit__(None, None, None)

"""Files with all their faults, and streams that do not wait."""

from __future__ import annotations

import http.server
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.video.clips import HEIGHT_PX, RATE, WIDTH_PX, square_at, turned, with_durations, write_clip
from vision.settings.errors import DataError, UserError
from vision.video import capture as capture_module
from vision.video.capture import Capture
from vision.video.frames import Frame, FrameClock, Limits, LiveFrames, Sampling, StoredFrames, open_frames
from vision.video.sources import Source, find_sources

EVERY = Limits()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4")


def frames_of(path: Path, limits: Limits = EVERY) -> tuple[list[Frame], list[str]]:
    with Capture(Source(path=path)) as capture:
        frames = open_frames(capture, limits)
        assert isinstance(frames, StoredFrames)
        return list(frames), frames.remarks


@pytest.mark.parametrize(("name", "code"), [("a.mp4", "mp4v"), ("a.mov", "mp4v"), ("a.mkv", "mp4v"), ("a.avi", "MJPG")])
def test_every_container_gives_all_frames_at_their_times(tmp_path: Path, name: str, code: str) -> None:
    found, remarks = frames_of(write_clip(tmp_path / name, 12, code=code))
    assert [frame.number for frame in found] == list(range(12))
    assert [frame.seconds for frame in found] == pytest.approx([number / RATE for number in range(12)])
    x, y = square_at(5)
    assert found[5].bgr[y + 4, x + 4].mean() > 200 > 90 > found[5].bgr[y + 4, x + 30].mean()
    assert not remarks


@pytest.mark.parametrize(
    ("limits", "numbers"),
    [
        (Limits(per_second=2), [0, 5, 10, 15]),
        (Limits(per_second=4), [0, 3, 5, 8, 10, 13, 15, 18]),
        (Limits(per_second=100), list(range(20))),
        (Limits(seconds=0.45), [0, 1, 2, 3, 4]),
        (Limits(per_second=2, frames=3), [0, 5, 10]),
    ],
)
def test_frames_are_chosen_by_their_times(clip: Path, limits: Limits, numbers: list[int]) -> None:
    found, remarks = frames_of(clip, limits)
    assert [frame.number for frame in found] == numbers
    assert not remarks


def test_only_frames_that_are_looked_at_are_converted(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[int] = []
    retrieve = Capture.retrieve
    monkeypatch.setattr(Capture, "retrieve", lambda self: converted.append(1) or retrieve(self))
    frames_of(clip, Limits(per_second=2))
    assert len(converted) == 4


def test_a_variable_frame_rate_is_followed(clip: Path) -> None:
    clip.write_bytes(with_durations(clip.read_bytes(), [1024] * 5 + [5120] * 5 + [1024] * 10))
    found, _ = frames_of(clip, Limits(per_second=2))
    # The times are 0 to 0.5 by tenths, 1 to 3 by halves, then tenths again.
    assert [frame.number for frame in found] == [0, 5, 6, 7, 8, 9, 10, 15]
    assert [frame.seconds for frame in found] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5])


def test_times_that_do_not_go_forward_are_replaced_and_counted(clip: Path) -> None:
    clock = FrameClock(10)
    stamps = [5.0, 5.1, 5.1, float("nan"), 5.0, 7.0]
    assert [clock.seconds(stamp) for stamp in stamps] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 2.0])
    assert clock.repaired == 3
    clip.write_bytes(with_durations(clip.read_bytes(), [0] * 20))
    found, remarks = frames_of(clip)
    assert len(found) == 20
    assert all(later.seconds > earlier.seconds for earlier, later in itertools.pairwise(found))
    assert "without a time of their own" in remarks[0]


def test_a_turned_clip_is_upright(clip: Path) -> None:
    clip.write_bytes(turned(clip.read_bytes()))
    found, _ = frames_of(clip, Limits(frames=1))
    assert found[0].bgr.shape == (WIDTH_PX, HEIGHT_PX, 3)


def test_a_cut_file_says_where_it_ends(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "cut.avi", 40, code="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found, remarks = frames_of(path)
    assert 0 < len(found) < 38
    assert remarks == [f"{path} ends after {len(found)} of 40 frames: it is cut or damaged"]


def _without_index(clip: bytes) -> bytes:
    return clip[: clip.index(b"moov") - 4]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda clip: b"", "is empty"),
        (lambda clip: b"nothing of this kind" * 99, "is no MP4, MOV, MKV, WebM or AVI file"),
        (_without_index, "is cut off or damaged: its index"),
        (lambda clip: clip.replace(b"vide", b"soun"), "holds no pictures, only 1 track of sound"),
        (lambda clip: b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:clip.mp4\n#EXT-X-ENDLIST\n", "is no MP4"),
        (lambda clip: b"ffconcat version 1.0\nfile clip.mp4\n", "is no MP4"),
    ],
    ids=["empty", "no video", "cut", "sound only", "playlist", "list of clips"],
)
def test_what_is_no_video_is_refused_in_a_sentence(
    clip: Path, tmp_path: Path, change: Callable[[bytes], bytes], sentence: str
) -> None:
    path = tmp_path / "other.mp4"
    path.write_bytes(change(clip.read_bytes()))
    with pytest.raises(DataError, match=sentence):
        frames_of(path)


def test_an_unknown_codec_and_no_frames_at_all_are_said(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", code="MJPG")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"MJPG", b"ZZZZ"))
    with pytest.raises(DataError, match="codec 'ZZZZ'"):
        frames_of(path)
    start, end = content.index(b"movi") + 4, content.index(b"idx1")
    path.write_bytes(content[:start] + bytes(end - start) + content[end:])
    with pytest.raises(DataError, match="has no frame that can be decoded"):
        frames_of(path)


def test_frames_are_no_larger_than_images(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "MAX_PIXELS", WIDTH_PX * HEIGHT_PX - 1)
    with pytest.raises(DataError, match="64x48 pixels, more than"):
        frames_of(clip)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(DataError, match="named pipe"):
        frames_of(tmp_path / "pipe.mp4")


def test_words_name_cameras_and_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    camera, stream = find_sources(["0", "RTSP://me:secret@10.0.0.9:554/main?key=1"])
    assert camera == Source(device=0)
    assert stream.url == "rtsp://me:secret@10.0.0.9:554/main?key=1"
    assert stream.name == "rtsp://10.0.0.9:554/main"
    for word in ("file:///etc/passwd", "concat://a", "ftp://host/clip.mp4"):
        with pytest.raises(UserError, match="but must have rtsp, rtsps, http, https"):
            find_sources([word])
    (tmp_path / "0").touch()
    assert find_sources(["0"]) == [Source(path=Path("0"))]


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(DataError, match="camera 99: cannot be opened"):
        Capture(Source(device=99))


class _Stream:
    """A capture whose frames come when the test lets them."""

    source = Source(device=0)
    frame_rate = 10.0

    def __init__(self, frames: int, *, let_through: int = 1 << 40) -> None:
        self.left = frames
        self.number = -1
        self.gate = threading.Semaphore(let_through)

    def grab(self) -> bool:
        self.gate.acquire()
        self.number += 1
        return self.number < self.left

    def retrieve(self) -> np.ndarray:
        return np.full((2, 2, 3), self.number % 256, np.uint8)


def test_a_live_stream_keeps_the_newest_frame_and_counts_the_others() -> None:
    stream = _Stream(50, let_through=1)
    frames = LiveFrames(stream, Limits(), now=lambda: stream.number / 10)
    reading = iter(frames)
    assert next(reading).number == 0
    # While it is looked at, all the others come.
    stream.gate.release(50)
    frames._thread.join()
    assert [(frame.number, frame.seconds) for frame in reading] == [(49, pytest.approx(4.9))]
    assert frames.dropped == 48
    assert "ended, or was silent" in frames.remarks[0]


def test_a_live_stream_ends_at_its_limit_and_when_told() -> None:
    stream = _Stream(1 << 40)
    frames = LiveFrames(stream, Limits(seconds=3), now=lambda: stream.number / 10)
    assert all(frame.seconds < 3 for frame in frames)
    endless = LiveFrames(_Stream(1 << 40), Limits())
    reading = iter(endless)
    next(reading)
    endless.stop()
    assert len(list(reading)) <= 1
    assert not endless._thread.is_alive()


def test_sampling_of_a_stream_goes_by_the_clock() -> None:
    sampling = Sampling(Limits(per_second=2))
    assert [at for at in (0.0, 0.1, 0.6, 0.9, 1.0, 3.7, 3.9) if sampling.takes(at)] == [0.0, 0.6, 1.0, 3.7]


@pytest.fixture
def server(clip: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(clip.parent))) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_a_clip_comes_over_http_whole_but_no_playlist_does(server: str, clip: Path) -> None:
    with Capture(Source(url=f"{server}/clip.mp4")) as capture:
        assert not capture.is_live
        assert [frame.number for frame in open_frames(capture, Limits())] == list(range(20))
    # A playlist on the web could name this machine's files and others' addresses.
    (clip.parent / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{server}/clip.mp4\n")
    with pytest.raises(DataError, match="sends no video that is read"):
        Capture(Source(url=f"{server}/list.m3u8"))
    with pytest.raises(DataError, match="cannot be reached"):
        Capture(Source(url="http://127.0.0.1:9/clip.mp4"))


def test_a_server_that_cannot_go_back_to_the_frames_is_named(server: str, clip: Path) -> None:
    whole = clip.read_bytes()
    index = whole.rindex(b"moov") - 4
    # So much before the index that the frames are no longer in FFmpeg's memory.
    gap = (1 << 21).to_bytes(4, "big") + b"free" + bytes((1 << 21) - 8)
    clip.write_bytes(whole[:index] + gap + whole[index:])
    assert len(frames_of(clip)[0]) == 20
    with (
        Capture(Source(url=f"{server}/clip.mp4")) as capture,
        pytest.raises(DataError, match="if its server cannot send parts of files, download it first"),
    ):
        list(open_frames(capture, EVERY))


def test_the_options_of_the_environment_stay(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp")
    frames_of(clip)
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;udp"
    assert cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG).isOpened()

"""``vision video`` with a model that finds the white square of generated clips."""

from __future__ import annotations

import http.server
import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.video.clips import HEIGHT_PX, WIDTH_PX, write_clip
from tests.video.square_finder import box_model
from vision import api
from vision.cli.main import main
from vision.video.capture import Capture
from vision.video.sources import Source

_LIMIT_S = 60


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_here: None) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "load", lambda path, run: box_model())
    write_clip(tmp_path / "clip.mp4")
    return tmp_path


def watch(*words: str) -> int:
    return main(["video", *words, "model=model.tar.gz", "output=out"])


def test_a_clip_becomes_files_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert watch("clip.mp4", "fps=5", "track=true", "label=2") == 0
    shown = capsys.readouterr().out
    assert "clip.mp4: 10 frames of 1.8 s in" in shown
    assert "square" in shown and "mean score" in shown
    for name in ("frames.jsonl", "mot.txt", "tracks.csv", "annotated.mp4", "worth_labeling/label_studio.json"):
        assert f"out/{name}" in shown
        assert Path("out", name).stat().st_size


def test_a_folder_is_watched_though_one_of_it_is_broken(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "clips" / "deep").mkdir(parents=True)
    write_clip(place / "clips" / "deep" / "two.MKV")
    write_clip(place / "clips" / "one.avi", code="MJPG")
    (place / "clips" / "broken.mp4").write_bytes(b"nothing")
    # What macOS writes beside files on foreign disks.
    (place / "clips" / "._one.avi").write_bytes(b"nothing")
    assert watch("clips", "clip.mp4", "frames=3") == 1
    told = capsys.readouterr().err
    assert "not read: clips/broken.mp4: is no MP4, MOV, MKV, WebM or AVI file" in told and "._one" not in told
    found = {path.parent.name: len(path.read_text().splitlines()) for path in Path("out").rglob("frames.jsonl")}
    assert found == {"one": 3, "two": 3, "clip": 3}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "Videos are missing"),
        ("gone.mp4", "Argument 'gone.mp4' does not exist"),
        ("empty", "holds no video (.mp4"),
        ("ftp://host/clip.mp4", "but must have rtsp, rtsps, http, https"),
        ("rtsp://", "names no host: give for example rtsp://camera/main"),
        ("http://[::1/clip.mp4", "names no host"),
        ("clip.mp4 fps=0", "Setting fps is '0' but must be a number from 0.01 to 1000"),
        ("clip.mp4 track=perhaps", "Setting track is 'perhaps' but must be True or False"),
        ("clip.mp4 trak=true", "did you mean track"),
        ("clip.mp4 output=full", "Setting output is 'full', which is there already: give a new folder"),
        ("clip.mp4 model=gone", "Setting model is 'gone', which does not exist"),
        ("clip.mp4 output=", "Setting output is required but missing"),
    ],
)
def test_wrong_words_end_in_a_sentence(
    words: str, sentence: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "empty").mkdir()
    (place / "full").mkdir()
    (place / "full" / "a.txt").touch()
    assert main(["video", "model=model.tar.gz", "output=out", *words.split()]) == 2
    assert sentence in capsys.readouterr().err
    assert not (place / "out").exists()


class _CameraServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    is_over = False


class _Camera(http.server.BaseHTTPRequestHandler):
    """Sends pictures for ever, as cameras in a network do."""

    server: _CameraServer

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        number = 0
        while not self.server.is_over:
            image = np.full((HEIGHT_PX, WIDTH_PX, 3), 30, np.uint8)
            image[10:22, 2 + number % 40 : 14 + number % 40] = 255
            picture = cv2.imencode(".jpg", image)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + picture + b"\r\n")
            except OSError:
                return
            number += 1
            time.sleep(0.005)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def camera() -> Iterator[str]:
    with _CameraServer(("127.0.0.1", 0), _Camera) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://me:secret@127.0.0.1:{served.server_port}/live"
        served.is_over = True
        served.shutdown()
        thread.join()


def _interrupt_after(lines: int) -> None:
    """Press Ctrl-C when so many frames are written."""
    path, until = Path("out/frames.jsonl"), time.monotonic() + _LIMIT_S
    while time.monotonic() < until and not (path.exists() and path.read_text().count("\n") >= lines):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_stream_goes_on_until_it_is_interrupted_and_leaves_whole_files(
    camera: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pressing = threading.Thread(target=_interrupt_after, args=(5,))
    pressing.start()
    handler = signal.getsignal(signal.SIGINT)
    assert watch(camera, "label=1") == 0
    pressing.join()
    assert signal.getsignal(signal.SIGINT) == handler
    lines = [json.loads(line) for line in Path("out/frames.jsonl").read_text().splitlines()]
    assert len(lines) >= 5
    assert all(later["seconds"] >= earlier["seconds"] for earlier, later in itertools.pairwise(lines))
    with Capture(Source(path=Path("out/annotated.mp4"))) as drawn:
        assert drawn.grab()
    shown = capfd.readouterr()
    assert "finishing the files" in shown.err
    assert "secret" not in shown.out + shown.err + Path("out/frames.jsonl").read_text()


def test_a_stream_ends_at_its_limit(camera: str) -> None:
    assert watch(camera, "frames=4", "label=0", "annotate=false") == 0
    assert len(Path("out/frames.jsonl").read_text().splitlines()) == 4

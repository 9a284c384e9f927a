"""From clips to files: objects with tracks, labels that hold still, shares of pixels, and frames worth a label."""

from __future__ import annotations

import csv
import errno
import itertools
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.video.clips import HEIGHT_PX, SIDE_PX, WIDTH_PX, square_at, write_clip
from tests.video.square_finder import box_model, class_model, pixel_model
from vision.api.model import Model
from vision.data.labels import Task
from vision.files.write_error import WriteError
from vision.settings.errors import DataError, UserError
from vision.settings.video import VideoSettings
from vision.video import predicted_frames
from vision.video.appearances import AppearanceTable
from vision.video.capture import Capture
from vision.video.mot_text import read_mot_text
from vision.video.sources import Source
from vision.video.watching import SeenClass, VideoSummary, Watching


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4")


def watch(model: Model, output: Path, *clips: Path, **settings: Any) -> list[VideoSummary]:
    watching = Watching(model, VideoSettings.parse({"output": output, **settings}), "m", several=len(clips) > 1)
    summaries = [watching.watch(Source(path=clip)) for clip in clips]
    watching.close()
    return summaries


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]


def test_an_object_keeps_its_track_and_class(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (summary,) = watch(box_model(), out, clip)
    found = lines(out)
    assert [line["frame"] for line in found] == list(range(20))
    assert [len(line["objects"]) for line in found] == [1] * 20
    objects = [line["objects"][0] for line in found]
    assert {one["track"] for one in objects} == {1}
    # Now and then the detector took it for something else.
    assert {one["label"] for one in objects} == {"ground", "square"}
    assert {one["smoothed"] for one in objects[3:]} == {"square"}
    x, y = square_at(7)
    assert np.multiply(objects[7]["box"], [WIDTH_PX, HEIGHT_PX] * 2) == pytest.approx(
        [x, y, x + SIDE_PX, y + SIDE_PX], abs=2
    )
    tracks = read_mot_text((out / "mot.txt").read_text().splitlines())
    assert tracks.frames.tolist() == list(range(20)) and set(tracks.ids.tolist()) == {1}
    assert tracks.boxes[7] == pytest.approx([x, y, x + SIDE_PX, y + SIDE_PX], abs=2)
    assert list(csv.DictReader((out / "tracks.csv").open())) == [
        {"id": "1", "label": "square", "first_second": "0.0", "last_second": "1.9", "frames": "20", "mean_score": "0.9"}
    ]
    assert summary.classes == (SeenClass("square", 1, 20, pytest.approx(0.9)),)
    assert (summary.frames, summary.seconds, summary.dropped) == (20, pytest.approx(1.9), 0)


def test_the_annotated_video_plays_with_boxes_in_it(clip: Path, tmp_path: Path) -> None:
    (summary,) = watch(box_model(), tmp_path / "out", clip, fps=5)
    assert any("annotated.mp4 is" in remark for remark in summary.remarks)
    with Capture(Source(path=tmp_path / "out" / "annotated.mp4")) as drawn:
        assert drawn.frame_rate == pytest.approx(5)
        assert drawn.size_px == (WIDTH_PX, HEIGHT_PX)
        pictures = []
        while drawn.grab():
            pictures.append(drawn.retrieve())
    assert len(pictures) == 10
    # Colors are what the grey clip did not have.
    assert all((picture.max(axis=2) - picture.min(axis=2)).max() > 60 for picture in pictures)


def test_without_tracks_there_are_boxes_alone(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    watch(box_model(), out, clip, track=False, annotate=False, label=0, score=0.1)
    assert [len(line["objects"]) for line in lines(out)] == [2] * 20
    assert all("track" not in one for line in lines(out) for one in line["objects"])
    assert [path.name for path in out.iterdir()] == ["frames.jsonl"]


def test_labels_of_frames_hold_still(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (summary,) = watch(class_model(), out, clip)
    plain = [line["labels"][0]["label"] for line in lines(out)]
    smoothed = [line["smoothed"][0]["label"] for line in lines(out)]
    changes = [sum(a != b for a, b in itertools.pairwise(labels)) for labels in (plain, smoothed)]
    assert changes == [3, 1]
    rows = list(csv.DictReader((out / "labels.csv").open()))
    assert [row["label"] for row in rows] == ["ground", "square"]
    assert sum(int(row["frames"]) for row in rows) == 20
    assert float(rows[0]["last_second"]) < float(rows[1]["first_second"])
    assert {seen.label: seen.times for seen in summary.classes} == {"ground": 1, "square": 1}


def test_pixels_become_shares_and_a_tinted_video(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (summary,) = watch(pixel_model(), out, clip, frames=5)
    assert [(seen.label, seen.times, seen.frames) for seen in summary.classes] == [
        ("ground", None, 5),
        ("square", None, 5),
    ]
    for line in lines(out):
        assert line["shares"]["square"] == pytest.approx(SIDE_PX**2 / (WIDTH_PX * HEIGHT_PX), rel=0.2)
        assert sum(line["shares"].values()) == pytest.approx(1, abs=1e-3)
    with Capture(Source(path=out / "annotated.mp4")) as drawn:
        assert drawn.grab()
        picture = drawn.retrieve()
    x, y = square_at(0)
    inside = picture[y + 4 : y + 8, x + 4 : x + 8].reshape(-1, 3).mean(axis=0)
    assert inside.max() - inside.min() > 40
    with pytest.raises(UserError, match="finds no boxes to follow: leave out track=true"):
        watch(pixel_model(), tmp_path / "more", clip, track=True)


@pytest.mark.parametrize(
    ("model", "task"),
    [(box_model, "boxes"), (class_model, "single"), (pixel_model, "mask")],
    ids=["boxes", "classes", "pixels"],
)
def test_few_different_frames_come_with_task_files(clip: Path, tmp_path: Path, model: Any, task: Task) -> None:
    still = tmp_path / "still.mp4"
    writer = cv2.VideoWriter(str(still), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 10, (WIDTH_PX, HEIGHT_PX))
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), 30, np.uint8)
    image[10:22, 40:52] = 255
    for _ in range(100):
        writer.write(image)
    writer.release()
    out = tmp_path / "out"
    watch(model(), out, still, clip, label=4, annotate=False)
    tasks = json.loads((out / "worth_labeling" / "label_studio.json").read_text())
    images = sorted(path.name for path in (out / "worth_labeling" / "images").iterdir())
    assert sorted(Path(task["data"]["image"]).name for task in tasks) == images
    assert 1 < len(images) <= 4
    # A hundred frames of one view are one.
    assert sum(name.startswith("still_") for name in images) == 1
    assert {path.parent.name for path in out.rglob("frames.jsonl")} == {"still", "clip"}


def test_candidates_stay_few(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    clip = tmp_path / "noise.avi"
    writer = cv2.VideoWriter(str(clip), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 10, (WIDTH_PX, HEIGHT_PX))
    for _ in range(100):
        writer.write(noise.integers(0, 255, (HEIGHT_PX, WIDTH_PX, 3), np.uint8))
    writer.release()
    watching = Watching(box_model(), VideoSettings(output=tmp_path / "out", label=1, annotate=False), "m")
    watching.watch(Source(path=clip))
    images = tmp_path / "out" / "worth_labeling" / "images"
    assert len(list(images.iterdir())) == 10
    watching.close()
    assert len(list(images.iterdir())) == 1


def test_stopped_early_the_files_are_whole(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicted_frames, "_BATCH", 1)
    long = write_clip(tmp_path / "long.mp4", 400)
    watching = Watching(box_model(), VideoSettings(output=tmp_path / "out"), "m")
    seen = []
    uncertainty = watching._model.algorithm.uncertainty

    def stop_after_three(prediction: Any) -> float:
        seen.append(prediction)
        if len(seen) == 3:
            watching.stop()
        return uncertainty(prediction)

    monkeypatch.setattr(type(watching._model.algorithm), "uncertainty", lambda self, one: stop_after_three(one))
    summary = watching.watch(Source(path=long))
    watching.close()
    assert 3 <= summary.frames < 100
    assert len(lines(tmp_path / "out")) == summary.frames
    with Capture(Source(path=tmp_path / "out" / "annotated.mp4")) as drawn:
        assert drawn.num_frames == summary.frames
    assert (tmp_path / "out" / "worth_labeling" / "label_studio.json").exists()


def test_an_error_in_the_middle_leaves_what_was_seen(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicted_frames, "_BATCH", 4)
    retrieve, count = Capture.retrieve, []

    def fails_later(self: Capture) -> np.ndarray | None:
        count.append(1)
        if len(count) == 15:
            raise DataError("clip.mp4", "has frames of 99999x99999 pixels")
        return retrieve(self)

    monkeypatch.setattr(Capture, "retrieve", fails_later)
    with pytest.raises(DataError, match="99999"):
        watch(box_model(), tmp_path / "out", clip)
    assert len(lines(tmp_path / "out")) in (8, 12)


def test_a_table_that_cannot_be_finished_leaves_the_other_files_whole(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: AppearanceTable) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(AppearanceTable, "close", fail)
    with pytest.raises(WriteError, match="the disk is full"):
        watch(box_model(), tmp_path / "out", clip)
    with Capture(Source(path=tmp_path / "out" / "annotated.mp4")) as drawn:
        assert drawn.num_frames == 20


def test_clips_of_one_name_have_folders_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    clips = [write_clip(tmp_path / part / "x .mp4", 4) for part in ("a", "b")]
    watch(box_model(), tmp_path / "out", *clips, label=0)
    assert {path.parent.name for path in (tmp_path / "out").rglob("frames.jsonl")} == {"x", "x_2"}


def test_a_video_that_does_not_open_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    for _ in range(2):
        with pytest.raises(DataError, match="is no MP4"):
            watch(box_model(), tmp_path / "out", tmp_path / "clip.mp4", label=5)
        assert not (tmp_path / "out").exists()


def test_a_video_without_a_frame_leaves_no_folder(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    content = clip.read_bytes()
    start, end = content.index(b"mdat") + 4, content.rindex(b"moov") - 4
    clip.write_bytes(content[:start] + bytes(end - start) + content[end:])
    with pytest.raises(DataError, match="has no frame that can be decoded"):
        watch(box_model(), tmp_path / "out", clip)
    assert not (tmp_path / "out").exists()


def test_two_runs_at_once_do_not_share_a_folder(clip: Path, tmp_path: Path) -> None:
    runs = [Watching(box_model(), VideoSettings.parse({"output": tmp_path / "out", "frames": 2}), "m") for _ in "ab"]
    runs[0].watch(Source(path=clip))
    with pytest.raises(UserError, match=r"frames\.jsonl is there already, by another run at the same time"):
        runs[1].watch(Source(path=clip))
    assert len(lines(tmp_path / "out")) == 2


def test_a_model_without_vectors_chooses_no_frames(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_base(self: object, network: object, images: object) -> None:
        raise UserError("this network has no base")

    model = box_model()
    monkeypatch.setattr(type(model.algorithm), "embed", no_base)
    watch(model, tmp_path / "out", clip, frames=3)
    assert len(lines(tmp_path / "out")) == 3
    assert not (tmp_path / "out" / "worth_labeling").exists()
    with pytest.raises(UserError, match="this network has no base"):
        watch(model, tmp_path / "more", clip, label=5)

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.serving.small_model import NAMES, picture, write_model
from vision.data.recordio.record import MAGIC, PART_HEADER, pack, padded
from vision.serving.batch_transform import ORIGIN_FILE, BatchTransform, TransformResult
from vision.serving.hosted_model import HostedModel
from vision.serving.hosted_network import SharedResources
from vision.serving.metrics import Metrics
from vision.serving.settings import ServingSettings
from vision.settings.errors import UserError

LINES = "application/jsonlines"


def host(folder: Path) -> HostedModel:
    settings = ServingSettings.parse({"model": folder, "device": "cpu", "max_batch": 4})
    return HostedModel.load(folder, SharedResources(settings, Metrics()))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HostedModel:
    return host(write_model(tmp_path_factory.mktemp("transform") / "model"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for number in range(9):
        (folder / f"{number}.jpg").write_bytes(picture(number))
    (folder / "deep" / "a.png").write_bytes(picture(9, ".png"))
    (folder / "bad.jpg").write_bytes(b"no image")
    (folder / "empty").touch()
    records = [pack(1.0, number, picture(number)) for number in range(100)]
    (folder / "many.rec").write_bytes(b"".join(map(framed, records)))
    (folder / "torn.rec").write_bytes(framed(records[0]) + framed(pack(1.0, 1, b"zzz")))
    return folder


def framed(payload: bytes) -> bytes:
    return PART_HEADER.pack(MAGIC, len(payload)) + payload + bytes(padded(len(payload)) - len(payload))


def transform(model: HostedModel, source: Path, target: Path, form: str = LINES) -> TransformResult:
    return BatchTransform(model, source, target, form).run(at_once=5)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_good_file_is_answered_and_bad_ones_fail_alone(model: HostedModel, source: Path, tmp_path: Path) -> None:
    result = transform(model, source, tmp_path / "out")
    assert (result.done, result.kept) == (11, 0)
    failed = dict(result.failed)
    assert set(failed) == {"bad.jpg", "empty", "torn.rec"}
    assert failed["bad.jpg"].startswith("bad.jpg: not an image")
    assert failed["torn.rec"].startswith("torn.rec record 1: not an image")
    answered = ["deep/a.png.out", *(f"{number}.jpg.out" for number in range(9)), "many.rec.out"]
    assert files(tmp_path / "out") == sorted([ORIGIN_FILE, *answered])
    expected = model.model.predict([picture(number) for number in range(100)])
    probabilities = [found.probabilities.tolist() for found in expected]
    for number in range(9):
        (line,) = (tmp_path / "out" / f"{number}.jpg.out").read_text().splitlines()
        assert json.loads(line)["prediction"] == pytest.approx(probabilities[number], abs=1e-5)
    lines = (tmp_path / "out" / "many.rec.out").read_text().splitlines()
    assert len(lines) == 100
    for line, found in zip(lines, probabilities, strict=True):
        assert json.loads(line)["prediction"] == pytest.approx(found, abs=1e-5)


def test_an_interrupted_job_goes_on_where_it_was(model: HostedModel, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    transform(model, source, target)
    (target / "0.jpg.out").write_text("mine")
    (target / "1.jpg.out").unlink()
    (target / "2.jpg.out").write_text("")
    (source / "3.jpg").write_bytes(picture(30))
    os.utime(source / "3.jpg", ns=(2**61, 2**61))
    (source / "bad.jpg").write_bytes(picture(31))
    result = transform(model, source, target)
    assert (result.done, result.kept) == (4, 8)
    assert {name for name, _ in result.failed} == {"empty", "torn.rec"}
    assert (target / "0.jpg.out").read_text() == "mine"
    assert (target / "2.jpg.out").stat().st_size > 0
    (expected,) = model.model.predict([picture(30)])
    found = json.loads((target / "3.jpg.out").read_text())["prediction"]
    assert found == pytest.approx(expected.probabilities.tolist(), abs=1e-5)


def test_answers_as_the_endpoint_gives_them(model: HostedModel, source: Path, tmp_path: Path) -> None:
    transform(model, source, tmp_path / "out", "application/json")
    text = (tmp_path / "out" / "0.jpg.out").read_text()
    assert text.startswith("[")
    assert text.endswith("]")


@pytest.mark.parametrize("form", ["application/json;verbose", "application/jsonlines;verbose"])
def test_answers_with_names(model: HostedModel, tmp_path: Path, form: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "0.jpg").write_bytes(picture(0))
    transform(model, tmp_path / "in", tmp_path / "out", form)
    text = (tmp_path / "out" / "0.jpg.out").read_text()
    assert json.loads(text)["labels"] == list(NAMES)
    assert text.endswith("\n") == ("lines" in form)


def test_records_have_no_answer_that_cannot_be_joined(model: HostedModel, source: Path, tmp_path: Path) -> None:
    failed = dict(transform(model, source, tmp_path / "out", "image/png").failed)
    assert failed["many.rec"] == "many.rec: is a file of records, but an answer as image/png is that of one image"
    assert not (tmp_path / "out" / "0.jpg.out").read_bytes().endswith(b"\n")


def test_another_models_answers_are_not_taken_for_ones_own(model: HostedModel, source: Path, tmp_path: Path) -> None:
    transform(model, source, tmp_path / "out")
    other = host(write_model(tmp_path / "other", seed=1))
    with pytest.raises(UserError, match="answers of another model or in another form"):
        transform(other, source, tmp_path / "out")
    with pytest.raises(UserError, match="answers of another model or in another form"):
        transform(model, source, tmp_path / "out", "application/json")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda folder: folder / "nothing", "which is not a folder"),
        (lambda folder: folder / "deep" / "empty", "which has no files to transform"),
    ],
)
def test_problems(model: HostedModel, source: Path, tmp_path: Path, make: object, part: str) -> None:
    (source / "deep" / "empty").mkdir()
    with pytest.raises(UserError, match=part):
        transform(model, make(source), tmp_path / "out")  # type: ignore[operator]


def test_output_inside_the_input_is_not_transformed_again(model: HostedModel, source: Path) -> None:
    target = source / "answers"
    first = transform(model, source, target)
    second = transform(model, source, target)
    assert second.done == 0
    assert second.kept == first.done


def test_output_beside_the_images(model: HostedModel, source: Path) -> None:
    transform(model, source, source)
    again = transform(model, source, source)
    assert (again.done, again.passed_over) == (0, ())
    assert (source / "0.jpg.out").exists()
    assert not (source / "0.jpg.out.out").exists()


def test_what_is_no_request_is_named_and_passed_over(model: HostedModel, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / ".git").mkdir(parents=True)
    for name in ("good.jpg", ".hidden.jpg", ".git/a.jpg", "old.jpg.out", "Thumbs.db"):
        (folder / name).write_bytes(picture(1))
    os.mkfifo(folder / "pipe.jpg")
    (folder / "lost.jpg").symlink_to("nothing")
    (folder / "null.jpg").symlink_to("/dev/null")
    told: list[str] = []
    result = BatchTransform(model, folder, tmp_path / "out", LINES, told.append).run(at_once=2)
    assert (result.done, result.failed) == (1, ())
    expected = {
        ".git": "hidden",
        ".hidden.jpg": "hidden",
        "Thumbs.db": "a leftover of an operating system",
        "lost.jpg": "a link to nothing",
        "null.jpg": "a device",
        "old.jpg.out": "an answer of this command by its ending .out",
        "pipe.jpg": "a named pipe",
    }
    assert dict(result.passed_over) == expected
    assert told == [f"{name} is passed over: it is {kind}" for name, kind in expected.items()]


def test_a_file_that_becomes_a_pipe_is_not_waited_for(model: HostedModel, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture(1))
    job = BatchTransform(model, folder, tmp_path / "out", LINES)
    names = job._names()
    (folder / "a.jpg").unlink()
    os.mkfifo(folder / "a.jpg")
    (failed,) = asyncio.run(job._transform_all(iter(names), 1))
    assert "it is a named pipe, not a file" in failed[1]


def test_answers_may_have_a_suffix_of_their_own(model: HostedModel, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    for name in ("1.jpg", "deep/1.jpg"):
        (source / name).write_bytes(picture(1))
    job = BatchTransform(model, source, tmp_path / "out", LINES, suffix=".json")
    assert job.run(at_once=2).done == 2
    assert files(tmp_path / "out") == [ORIGIN_FILE, "1.json", "deep/1.json"]
    assert job.run(at_once=2).kept == 2
    with pytest.raises(UserError, match="output is the folder of the images: give another folder"):
        BatchTransform(model, source, source, LINES, suffix=".json").run(at_once=2)
    (source / "1.png").write_bytes(picture(2, ".png"))
    with pytest.raises(UserError, match=r"1\.jpg and 1\.png would have the same answer"):
        job.run(at_once=2)

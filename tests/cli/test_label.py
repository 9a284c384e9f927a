from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from tests.retrieval.pictures import picture
from vision.cli.main import main
from vision.data.convert.format import SourceOptions
from vision.data.convert.formats import FORMATS
from vision.data.skipped import Skipped


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    for class_id, name in enumerate(("daisy", "rose")):
        for seed in range(6):
            path = folder / "photos" / name / f"{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = picture(seed, 40) // 4 + np.uint8(120 * class_id)
            cv2.imwrite(str(path), shade)
    words = [
        "algorithm=image_classification",
        f"channels.train={folder}/photos",
        f"channels.validation={folder}/photos",
    ]
    words += ["hp.image_shape=3,28,28", "hp.num_layers=20", "hp.epochs=1", "hp.mini_batch_size=4", "run.device=cpu"]
    assert main(["train", *words, f"run.output={folder}/run", "run.report=false"]) == 0
    return folder / "run"


@pytest.fixture(autouse=True)
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pool" / "deep er").mkdir(parents=True)
    for seed in range(9):
        cv2.imwrite(str(tmp_path / "pool" / ("deep er" if seed % 2 else "") / f"{seed}.png"), picture(seed, 48))
    return tmp_path / "pool"


def select(model: Path, *words: str) -> int:
    return main(["label", "select", "pool", f"model={model}", "output=out", "run.device=cpu", *words])


@pytest.mark.parametrize("by", ["uncertainty", "diverse", "mixed"])
def test_chosen_images_reach_every_tool_with_proposals(model: Path, pool: Path, by: str) -> None:
    (pool / "broken.png").write_bytes(b"nothing")
    assert select(model, "count=4", f"by={by}") == 1
    lines = [json.loads(line) for line in Path("out/selected.jsonl").read_text().splitlines()]
    assert len({line["file"] for line in lines}) == 4
    doubts = [line["uncertainty"] for line in lines]
    assert by != "uncertainty" or doubts == sorted(doubts, reverse=True)
    tasks = json.loads(Path("out/label_studio.json").read_text())
    assert [task["predictions"][0]["score"] for task in tasks] == pytest.approx([1 - doubt for doubt in doubts])
    proposed = [line["proposals"][0]["label"] for line in lines]
    assert [task["predictions"][0]["result"][0]["value"]["choices"] for task in tasks] == [[name] for name in proposed]
    cvat = ElementTree.parse("out/cvat.xml").getroot()
    assert [tag.get("label") for tag in cvat.iterfind("image/tag")] == proposed
    manifest = [json.loads(line) for line in Path("out/proposed.manifest").read_text().splitlines()]
    assert [line["class-metadata"]["class-name"] for line in manifest] == proposed
    assert {line["class-metadata"]["human-annotated"] for line in manifest} == {"no"}
    assert [line["class-metadata"]["confidence"] for line in manifest] == pytest.approx(
        [line["proposals"][0]["score"] for line in lines]
    )


def test_labels_come_back(model: Path, pool: Path) -> None:
    """A person confirms the proposals in Label Studio, and the export trains."""
    assert select(model, "count=6") == 0
    tasks = json.loads(Path("out/label_studio.json").read_text())
    for task in tasks:
        task["annotations"] = [{"result": task.pop("predictions")[0]["result"]}]
    Path("out/export.json").write_text(json.dumps(tasks))
    assert main(["convert", "out/export.json", "out/labeled.manifest", "to=manifest", "workers=1"]) == 0
    source = FORMATS["manifest"].source(Path("out/labeled.manifest"), SourceOptions())
    found = list(source.images(Skipped()))
    lines = [json.loads(line) for line in Path("out/selected.jsonl").read_text().splitlines()]
    assert {Path(image.name).name for image in found} == {Path(line["file"]).name for line in lines}


def test_a_folder_that_cannot_be_written_is_found_before_the_pool_is_looked_through(
    model: Path, pool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    monkeypatch.setattr("vision.labeling.hand_off.look_through", lambda *given: pytest.fail("the pool is looked at"))
    assert main(["label", "select", str(pool), f"model={model}", "output=file/below"]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_what_is_labeled_is_not_chosen_again(model: Path, pool: Path) -> None:
    assert main(["index", "pool/0.png", "pool/2.png", f"model={model}", "output=index", "run.device=cpu"]) == 0
    assert select(model, "count=7", "by=diverse", "labeled=index") == 0
    lines = [json.loads(line) for line in Path("out/selected.jsonl").read_text().splitlines()]
    assert not {"pool/0.png", "pool/2.png"} & {line["file"] for line in lines}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("choose pool", "vision label 'choose' is unknown"),
        ("select pool", "Setting model is required but missing"),
        ("select pool model=gone output=o", "Setting model is 'gone', which does not exist"),
        ("select pool model=MODEL output=pool", "Setting output is 'pool', which is there already"),
        ("select pool model=MODEL output=o count=0", "Setting count is '0' but must be a whole number"),
        ("select pool model=MODEL output=o by=luck", "Setting by is 'luck' but must be one of uncertainty, diverse"),
        ("select model=MODEL output=o", "Images"),
    ],
)
def test_wrong_words_end_in_a_sentence(
    words: str, sentence: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", *words.replace("MODEL", str(model)).split()]) == 2
    assert sentence in capsys.readouterr().err

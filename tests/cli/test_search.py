from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.retrieval.pictures import picture, reencoded
from vision.cli.main import main
from vision.retrieval import copies
from vision.retrieval.image_index import ImageIndex, IndexDescription, IndexEntries


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six photos, one of them again in another encoding, and a broken one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(6):
        cv2.imwrite(str(folder / f"{seed}.png"), picture(seed))
    cv2.imwrite(str(folder / "copy.jpg"), reencoded(picture(3)))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network after one epoch, which sees little."""
    folder = tmp_path_factory.mktemp("model")
    assert main(["sample-data", "digits", f"{folder}/data"]) == 0
    words = ["algorithm=image_classification", f"channels.train={folder}/data/train.rec", "run.device=cpu"]
    words += [f"channels.validation={folder}/data/validation.rec", "hp.image_shape=3,28,28", "hp.num_layers=20"]
    words += ["hp.epochs=1", "hp.mini_batch_size=32", f"run.output={folder}/run", "run.report=false"]
    assert main(["train", *words]) == 0
    return folder / "run"


def test_from_photos_to_copies(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "broken.png").write_bytes(b"nothing")
    words = ["index", "photos", f"model={model}", "output=index", "run.device=cpu"]
    assert main(words) == 1
    shown = capsys.readouterr()
    assert "index: 7 images added, 0 were there, 1 could not be read" in shown.out
    assert "vision: not indexed: photos/broken.png: " in shown.err
    (photos / "broken.png").unlink()
    assert main(words) == 0
    assert "index: 0 images added, 7 were there, 0 could not be read" in capsys.readouterr().out

    assert main(["search", "index", "photos/3.png", "top=3", "rerank=geometry", "run.device=cpu"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["file"] == "photos/3.png"
    assert {one["file"] for one in found["found"][:2]} == {"photos/3.png", "photos/copy.jpg"}
    assert found["found"][1]["agreeing"] > 20 > found["found"][2]["agreeing"]

    assert main(["search", "index", "photos", "top=1", "whiten=true", "output=found.jsonl", "run.device=cpu"]) == 0
    lines = [json.loads(line) for line in Path("found.jsonl").read_text().splitlines()]
    nearest = {line["file"]: line["found"][0]["file"] for line in lines}
    alone = [f"photos/{seed}.png" for seed in (0, 1, 2, 4, 5)]
    assert [nearest[name] for name in alone] == alone

    assert main(["duplicates", "index", "output=copies.json"]) == 0
    assert "one picture: 1 group\n  photos/3.png, photos/copy.jpg" in capsys.readouterr().out
    assert json.loads(Path("copies.json").read_text()) == {
        "exact": [],
        "near": [["photos/3.png", "photos/copy.jpg"]],
        "scenes": [],
        "unread": [],
    }

    monkeypatch.setattr(copies, "MOST_WITH_WORDS", 6)
    assert main(["duplicates", "index"]) == 0
    assert "among 7 images only vectors chose pairs" in capsys.readouterr().err

    photos.rename("moved")
    assert main(["search", "index", "moved/3.png", "top=2", "rerank=geometry", "run.device=cpu"]) == 0
    assert "rerank=geometry could not compare 2 images, such as photos/" in capsys.readouterr().err
    assert main(["duplicates", "index"]) == 0
    assert "vision: 7 images could not be compared, such as photos/0.png" in capsys.readouterr().err


def test_names_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_by = IndexDescription(model="m", model_sha256="0" * 64, dimension=2)
    names = ("a.png", "b\n\x1b[31m.png")
    ImageIndex.open_or_make(tmp_path / "index", made_by).add(
        IndexEntries(names, np.zeros((2, 32), np.uint8), np.ones((2, 2), np.float16))
    )
    assert main(["duplicates", "index"]) == 0
    assert "equal bytes: 1 group\n  a.png, b \ufffd[31m.png\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("index photos", "Setting model is required but missing: give model=PATH."),
        ("index photos model=gone output=i", "Setting model is 'gone', which does not exist"),
        ("index photos model=timm: output=i", "timm"),
        ("index  model=classical output=i", "Images are missing"),
        ("index model=imagenet output=i run.weights_folder=photos", "Images"),
        ("search photos photos/1.png", "no index: `vision index photos model=MODEL output=INDEX` makes one"),
        ("search new photos/1.png", "new holds no index: `vision index IMAGES model=MODEL output=new` makes one"),
        ("search", "Setting index is required but missing"),
        (f"search i photos top={'9' * 5000}", "but must be a whole number from 1 to 1000."),
        ("search i photos top=0", "Setting top is '0' but must be a whole number from 1 to 1000."),
        ("search i photos rerank=no", "Setting rerank is 'no' but must be one of none, geometry."),
        ("search i photos whiten=2", "Setting whiten is '2' but must be true or false."),
        ("duplicates i similarity=2", "Setting similarity is '2' but must be a number from 0 to 1."),
        ("duplicates photos", "photos holds no index"),
    ],
)
def test_wrong_words_end_in_a_sentence(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split(" ")) == 2
    assert sentence in capsys.readouterr().err

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from PIL import Image

from vision.algorithms import get
from vision.data.augmentations.crop import Crop
from vision.data.dali.loader import require_dali
from vision.data.dataset import CacheSettings, ImageDataset
from vision.data.readers.folder import FolderReader
from vision.data.stream import StreamDataset
from vision.settings.errors import UserError

FACTS = {"num_classes": 2, "num_training_samples": 4}


def dataset(algorithm: str = "image_classification", **cache: object) -> ImageDataset:
    found = get(algorithm)
    transform = found.transform(found.facts.hyperparameters.parse(FACTS), "train")
    settings = CacheSettings(**cache)  # type: ignore[arg-type]
    return ImageDataset([], None, transform, None, replace_broken=True, cache=settings)  # type: ignore[arg-type]


@pytest.fixture
def dali_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())


def test_without_dali_a_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "nvidia.dali" else object())
    with pytest.raises(UserError, match=r"run\.loader=dali needs NVIDIA DALI.*pip install 'vision\[dali\]', or set"):
        require_dali(dataset())


@pytest.mark.usefixtures("dali_is_there")
def test_what_it_can_load_is_given_back() -> None:
    wanted = dataset()
    found, steps = require_dali(wanted)
    assert found is wanted
    assert [type(step) for step in steps] == [Crop]


@pytest.mark.usefixtures("dali_is_there")
@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (dataset("object_detection"), "knows the augmentations of image_classification, and this job has others"),
        (dataset(kind="memory", folder=Path()), "run.cache is memory: set run.cache=none, or set run.loader=standard"),
        (
            StreamDataset(None, None, None, None, threads=1),  # type: ignore[arg-type]
            "which Pipe mode does not allow: use File or FastFile mode, or set run.loader=standard",
        ),
    ],
)
def test_what_it_cannot_load_is_refused(wanted: ImageDataset | StreamDataset, sentence: str) -> None:
    with pytest.raises(UserError, match=r"run\.loader=dali .*" + sentence.replace(".", r"\.")):
        require_dali(wanted)


@pytest.mark.usefixtures("dali_is_there")
@pytest.mark.parametrize("name", ["a/1.gif", "a/1.jpg"])
def test_kinds_of_images_that_it_cannot_decode_are_refused_by_name_or_content(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / name, "GIF")
    Image.new("RGB", (4, 4)).save(tmp_path / "a" / "0.png")
    wanted = dataset()
    wanted.reader = FolderReader(tmp_path)
    with pytest.raises(UserError, match=rf"run\.loader=dali cannot decode GIF, which .*/{name} is: save such images"):
        require_dali(wanted)

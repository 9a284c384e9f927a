"""Packages that others install: an algorithm and a library of networks, found by their entry points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vision
from tests.algorithms.mask_images import write_mask_images
from tests.api.conftest import write_records
from vision import algorithms
from vision.cli.main import main

RUN = {"device": "cpu", "workers": 0, "progress": "none", "report": False}
MODULES = {
    "tiny_package/__init__.py": "",
    "tiny_package/segmentation/__init__.py": "",
    "tiny_package/segmentation/facts.py": """
from dataclasses import replace
from tests.algorithms.toy.facts import FACTS as TOY
FACTS = replace(TOY, name="tiny_segmentation")
""",
    "tiny_package/segmentation/algorithm.py": """
from tests.algorithms.toy.algorithm import Toy
from tiny_package.segmentation.facts import FACTS
class TinySegmentation(Toy):
    facts = FACTS
ALGORITHM = TinySegmentation()
""",
    "tiny_package/networks.py": """
from torch import nn
from vision.nn.backbones import Backbones
from vision.settings.errors import UserError
class Networks(Backbones):
    version = "1.5"
    def check(self, name):
        if name != "linear":
            raise UserError(f"tiny has no network {name}: give tiny:linear")
    def build(self, name, size_px, num_classes):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, num_classes))
    def head(self, name):
        return ("2",)
NETWORKS = Networks()
""",
    "tiny_package-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.5\n",
    "tiny_package-1.5.dist-info/entry_points.txt": """
[vision.algorithms]
tiny_segmentation = tiny_package.segmentation
broken = no_such_package
[vision.backbones]
tiny = tiny_package.networks:NETWORKS
wrong = tiny_package.networks:Networks
""",
}


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, text in MODULES.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "site")
    algorithms.installed_packages.cache_clear()
    yield
    algorithms.installed_packages.cache_clear()


def test_an_installed_algorithm_is_one_of_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"tiny_segmentation", "semantic_segmentation"} <= set(algorithms.names())
    assert main(["train", "--help", "algorithm=tiny_segmentation"]) == 0
    assert "side_px" in capsys.readouterr().out
    (tmp_path / "images").mkdir()
    paths = write_mask_images(tmp_path / "images", 4, (20, 24), (9, 12), (0, 10))
    channels = {f"{name}{end}": path for name in ("train", "validation") for end, path in paths.items()}
    run = {**RUN, "output": tmp_path / "run"}
    result = vision.fit("tiny_segmentation", channels, run=run, hyperparameters={"epochs": 1, "num_classes": 2})
    assert result.model.algorithm.facts.name == "tiny_segmentation"


def test_a_package_that_is_broken_is_named() -> None:
    with pytest.raises(vision.UserError, match="broken of the installed package no_such_package cannot be loaded"):
        algorithms.facts_of("broken")
    # The others go on working.
    assert "train" in algorithms.channel_names()


def test_an_installed_library_gives_networks(tmp_path: Path) -> None:
    records = write_records(tmp_path / "train.rec", 12, 0)
    channels = {"train": records, "validation": records}
    given: Any = {"image_shape": "3,16,16", "epochs": 1, "mini_batch_size": 4}
    run = {**RUN, "output": tmp_path / "run", "backbone": "tiny:linear"}
    result = vision.fit("image_classification", channels, run=run, **given)
    assert result.model.network.network[2].weight.shape == (3, 3)
    assert result.model.stored.architecture["version"] == "1.5"
    other = {"output": tmp_path / "other"}
    with pytest.raises(vision.UserError, match="tiny has no network cubic"):
        vision.fit("image_classification", channels, run={**run, **other, "backbone": "tiny:cubic"}, **given)
    with pytest.raises(vision.UserError, match=r"wrong of vision\.backbones leads to .* no instance of Backbones"):
        vision.fit("image_classification", channels, run={**run, **other, "backbone": "wrong:linear"}, **given)

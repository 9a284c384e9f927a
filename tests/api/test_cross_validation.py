from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.conftest import job
from vision import api
from vision.api.cross_validation import CrossValidation, cross_validate
from vision.settings.errors import UserError


@pytest.fixture(scope="module")
def result(channels: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    given = job({"train": channels["train"], "validation": channels["validation"]}, tmp_path_factory.mktemp("cv"))
    run = given.run.model_copy(update={"folds": 3, "output": tmp_path_factory.mktemp("folds") / "run"})
    hyperparameters = given.hyperparameters.model_copy(update={"epochs": 1})
    # Without a validation channel: the folds need none.
    return cross_validate(
        replace(given, run=run, hyperparameters=hyperparameters, channels={"train": given.channels["train"]})
    )


def test_every_image_is_held_out_once(result: CrossValidation) -> None:
    held_out = [json.loads((result.folder / f"fold_{n}/fold.json").read_text())["held_out"] for n in range(3)]
    assert sorted(index for part in held_out for index in part) == list(range(60))
    assert result.sizes == tuple(map(len, held_out)) == (20, 20, 20)
    for part in held_out:
        # The class of record n is n % 3, so each fold has a third of every class.
        counts = [sum(index % 3 == label for index in part) for label in range(3)]
        assert max(counts) - min(counts) <= 1


def test_each_fold_is_a_run(result: CrossValidation) -> None:
    for number in range(3):
        folder = result.folder / f"fold_{number}"
        settings = json.loads((folder / "settings.json").read_text())
        assert settings["data"] == {"train images": 40, "validation images": 20}
        assert (folder / "model/model.json").exists()
        assert (folder / "model_card.md").exists()


def test_mean_and_spread(result: CrossValidation) -> None:
    found = json.loads((result.folder / "cross_validation.json").read_text())
    accuracies = [fold["accuracy"] for fold in found["metrics"]]
    assert found["mean"]["accuracy"] == pytest.approx(sum(accuracies) / 3)
    assert found["spread"]["accuracy"] == pytest.approx(statistics.stdev(accuracies))
    assert found["images"] == [20, 20, 20]
    table = result.table()
    assert table.columns == ("metric", "mean", "spread", "fold 0", "fold 1", "fold 2")
    row = next(row for row in table.rows if row[0] == "accuracy")
    assert row[3:] == tuple(accuracies)


def test_a_resumed_one_keeps_the_finished_folds(
    result: CrossValidation, channels: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (result.folder / "cross_validation.json").read_text()
    monkeypatch.setattr("vision.api.cross_validation.train", lambda *given: pytest.fail("a fold was trained again"))
    again = job(channels, result.folder, {"folds": 3, "resume": True}, epochs=1)
    assert api.cross_validate(again).metrics == result.metrics
    assert (result.folder / "cross_validation.json").read_text() == before


def test_folds_of_other_images_are_not_resumed(result: CrossValidation, channels: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"fold\.json held out other images than this run would"):
        api.cross_validate(job(channels, result.folder, {"folds": 3, "resume": True, "seed": 7}, epochs=1))


def test_statistics_of_hand_computed_folds() -> None:
    found = CrossValidation(Path("x"), ({"a": 0.2, "b": 1.0}, {"a": 0.4, "b": math.nan}, {"a": 0.9}), (1, 1, 1))
    assert found.names == ("a",)
    assert found.mean("a") == pytest.approx(0.5)
    assert found.spread("a") == pytest.approx(math.sqrt(0.13))


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({"folds": 61}, "holds 60 images, too few for run.folds=61"),
        ({"folds": 3, "devices": 2}, "run.folds trains on one GPU"),
    ],
)
def test_what_cannot_be(channels: dict[str, str], tmp_path: Path, run: dict[str, int], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        cross_validate(job(channels, tmp_path / "run", run))
    assert not (tmp_path / "run").exists()

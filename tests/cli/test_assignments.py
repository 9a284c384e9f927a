from __future__ import annotations

from pathlib import Path

import pytest

from vision.cli.assignments import fill_places, read_assignments
from vision.settings.errors import SettingsError


def test_names_sections_and_files() -> None:
    given = read_assignments(
        ["model=a=b", "channels.train.content_type=x", "channels.train=p", "run.seed=1", "a.jpg", "./a=b.jpg"],
        names=("model",),
        sections=("channels", "run"),
        allow_files=True,
    )
    assert given.names == {"model": "a=b"}
    assert given.sections == {"channels": {"train": {"path": "p", "content_type": "x"}}, "run": {"seed": "1"}}
    assert given.files == ("a.jpg", "./a=b.jpg")


@pytest.mark.parametrize("word", ["draft=1.jpg", "-1.jpg", "run.jpg=2", "~x.jpg", "draft=*.jpg", "[1].jpg"])
def test_what_exists_is_a_file(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(word.replace("*", "1")).touch()
    assert read_assignments([word], names=("model",), sections=("run",), allow_files=True).files == (word,)
    if not word.startswith("run."):
        with pytest.raises(SettingsError):
            read_assignments([word], names=("model",), sections=("run",))


def test_a_known_setting_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in ("model=1.jpg", "run.seed=1"):
        Path(word).touch()
    given = read_assignments(["model=1.jpg", "run.seed=1"], names=("model",), sections=("run",), allow_files=True)
    assert (given.names, given.sections, given.files) == ({"model": "1.jpg"}, {"run": {"seed": "1"}}, ())


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("modle=x", "Setting 'modle' is unknown: did you mean model?"),
        ("device=cpu", "did you mean run.device?"),
        ("hp.epochs=3", "Setting 'hp.epochs' is unknown"),
        ("--force", "Setting '--force' is unknown"),
        ("a.jpg", "Argument 'a.jpg' is no setting: write name=value, with run.NAME, model."),
    ],
)
def test_problems(word: str, part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_assignments([word], names=("model",), sections=("run",))
    (problem,) = caught.value.problems
    assert part in problem


def test_paths_fill_the_places_that_no_setting_fills() -> None:
    words = read_assignments(["a", "model=m", "b", "c"], ("model", "output"), (), allow_files=True)
    given = fill_places(words, ("model", "other", "output"), takes_more=True)
    assert given.names == {"model": "m", "other": "a", "output": "b"}
    assert given.files == ("c",)
    with pytest.raises(SettingsError, match=r"Argument 'c' is one too many: this verb takes up to 3 paths \(model"):
        fill_places(words, ("model", "other", "output"))


def test_options_are_shown_as_settings() -> None:
    with pytest.raises(SettingsError) as caught:
        read_assignments(["--model", "runs/a", "--device=cpu", "--modell"], names=("model",), sections=("run",))
    assert caught.value.problems == (
        "Option '--model' is written as a setting: model=runs/a",
        "Option '--device' is written as a setting: run.device=cpu",
        "Setting '--modell' is unknown: did you mean model?",
    )

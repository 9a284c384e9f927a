from __future__ import annotations

import pytest

from vision.cli.assignments import read_assignments
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


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("modle=x", "Setting 'modle' is unknown: did you mean model?"),
        ("device=cpu", "did you mean run.device?"),
        ("hp.epochs=3", "Setting 'hp.epochs' is unknown"),
        ("--force", "Setting '--force' is unknown"),
        ("a.jpg", "Argument 'a.jpg' is no setting: write name=value, with model."),
    ],
)
def test_problems(word: str, part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_assignments([word], names=("model",), sections=("run",))
    (problem,) = caught.value.problems
    assert part in problem

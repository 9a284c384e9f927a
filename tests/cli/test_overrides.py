from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from vision.cli.composition import compose_once
from vision.cli.overrides import hydra_text, hydra_value, is_hydra_value, is_sweep, plain_settings, read_overrides

GROUPS = {
    "algorithm": ["image_classification", "object_detection"],
    "data": ["cifar10", "recordio"],
    "experiment": ["quick"],
}

REWRITTEN = [
    ("hp.epochs=3", "++hp.epochs=3"),
    ("+hp.epochs=3", "++hp.epochs=3"),
    ("++hp.epochs=3", "++hp.epochs=3"),
    ("hp.image_shape=3,28,28", "++hp.image_shape='3,28,28'"),
    ("hp.image_shape=[3,28,28]", "++hp.image_shape=[3,28,28]"),
    ("hp.lr_scheduler_step=10, 20", "++hp.lr_scheduler_step='10, 20'"),
    ("hp.top_k=", "++hp.top_k=''"),
    ("hp.top_k=null", "++hp.top_k=null"),
    ("hp.anything=x", "++hp.anything=x"),
    ("channels.train=/data/a b.rec", "++channels.train='/data/a b.rec'"),
    ("channels.train.content_type=image/png", "++channels.train.content_type=image/png"),
    ("channels.train=2024.10", "++channels.train='2024.10'"),
    ("channels.train_lst.path=[a]", "++channels.train_lst.path='[a]'"),
    ("run.output=2024", "++run.output='2024'"),
    ("run.cache_folder=null", "++run.cache_folder='null'"),
    ("run.output='a b'", "++run.output='a b'"),
    ("run.class_names=true", "++run.class_names='true'"),
    ("run.class_names=cat,dog", "++run.class_names='cat,dog'"),
    ("run.output=${oc.env:HOME}/runs", "++run.output=${oc.env:HOME}/runs"),
    ("~hp.epochs", "~hp.epochs"),
    ("algorithm=image-classification", "algorithm=image_classification"),
    ("data=cifar10", "data=cifar10"),
    ("data=", "data=null"),
    ("~data", "~data"),
    ("hydra.sweep.dir=x", "hydra.sweep.dir=x"),
]


@pytest.mark.parametrize(("text", "expected"), REWRITTEN)
def test_rewritten(text: str, expected: str) -> None:
    overrides = read_overrides([text], GROUPS)
    assert overrides.problems == ()
    assert overrides.values == (expected,)


SWEPT = [
    ("hp.optimizer=sgd,adam", "++hp.optimizer=sgd,adam"),
    ("hp.learning_rate=range(1,3)", "++hp.learning_rate=range(1,3)"),
    ("hp.image_shape=3,28,28", "++hp.image_shape='3,28,28'"),
    ("hp.lr_scheduler_step='10,20','30'", "++hp.lr_scheduler_step='10,20','30'"),
    ("channels.train=a.rec,b.rec", "++channels.train='a.rec','b.rec'"),
    ("run.output=2024.10,true", "++run.output='2024.10','true'"),
    ("channels.train=a (1).rec", "++channels.train='a (1).rec'"),
    ("data=cifar10,recordio", "data=cifar10,recordio"),
]


@pytest.mark.parametrize(("text", "expected"), SWEPT)
def test_with_multirun_commas_sweep_except_in_lists(text: str, expected: str) -> None:
    overrides = read_overrides(["-m", "algorithm=image_classification", text], GROUPS)
    assert overrides.problems == ()
    assert overrides.multirun
    assert overrides.flags == ("-m",)
    assert overrides.values[1] == expected


def test_image_shape_is_swept_where_it_is_one_number() -> None:
    argv = ["-m", "algorithm=object_detection", "hp.image_shape=300,512"]
    assert read_overrides(argv, GROUPS).values[1] == "++hp.image_shape=300,512"


def test_a_channel_with_keys_keeps_its_path() -> None:
    argv = ["channels.train=a.rec", "channels.train.content_type=image/png", "channels.train_lst=b"]
    assert read_overrides(argv, GROUPS).values == (
        "++channels.train.path='a.rec'",
        "++channels.train.content_type=image/png",
        "++channels.train_lst='b'",
    )


PROBLEMS = [
    ("epochs=3", "Setting 'epochs' is unknown: did you mean hp.epochs?"),
    ("train=x", "did you mean channels.train?"),
    ("output=x", "did you mean run.output?"),
    ("algoritm=x", "did you mean algorithm?"),
    ("zebra=x", "Setting 'zebra' is unknown: known are algorithm, data, experiment, hp.*, channels.*, run.*."),
    ("+zebra.x=1", "Setting 'zebra.x' is unknown"),
    ("train.rec", "Argument 'train.rec' is neither a path that exists nor a setting"),
    ("hp.epochs", "Setting 'hp.epochs' has no value: write hp.epochs=VALUE."),
    ("data", "Setting 'data' has no value: write data=NAME."),
    ("data=cifar1", "Setting data has no choice 'cifar1': did you mean cifar10?"),
    ("algorithm=image_clasification", "did you mean image_classification?"),
    ("data=cifar10,recordio", "has several values, 'cifar10,recordio': give one, or add -m"),
    ("hp.optimizer=sgd,adam", "has several values, 'sgd,adam': give one, or add -m to run once with each."),
    ("--multi", "Option '--multi' is unknown: did you mean --multirun?"),
    ("--learning-rate=0.1", "Option '--learning-rate' is written as a setting: hp.learning_rate=0.1"),
    ("--train", "Option '--train' is written as a setting: channels.train=VALUE"),
    ("--experimental-rerun", "Option '--experimental-rerun' is unknown"),
]


@pytest.mark.parametrize(("text", "part"), PROBLEMS)
def test_problems(text: str, part: str) -> None:
    overrides = read_overrides(["hp.epochs=3", text], GROUPS)
    (problem,) = overrides.problems
    assert part in problem
    assert overrides.values == ("++hp.epochs=3",)


def test_flags_take_their_values() -> None:
    overrides = read_overrides(["--cfg", "job", "hp.epochs=3", "--config-dir", "mine"], GROUPS)
    assert overrides.flags == ("--cfg", "job", "--config-dir", "mine")
    assert not overrides.multirun


def test_plain_settings_are_those_that_need_no_hydra() -> None:
    argv = ["algorithm=x", "hp.epochs=3", "channels.train=a", "channels.train.content_type=b", "run.seed=1"]
    assert plain_settings(argv) == {
        "algorithm": "x",
        "hp": {"epochs": "3"},
        "channels": {"train": {"path": "a", "content_type": "b"}},
        "run": {"seed": "1"},
    }


@pytest.mark.parametrize("text", ["data=cifar10", "-m", "hp.top_k=null", "hp.x=${a}", "+hp.x=1", "run.loggers=[csv]"])
def test_what_hydra_must_read_is_not_plain(text: str) -> None:
    assert plain_settings(["algorithm=x", text]) is None


PATHS = ("2024", "2024.10", "true", "null", "1e3", "0x10", "[a]", "{a}", "a,b", "a=b", "${x}", "~", "-x", "'q'", " a b")


@pytest.mark.parametrize("name", PATHS)
def test_an_existing_path_is_text_whatever_it_looks_like(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / name))
    words = ["algorithm=image_classification", f"channels.train={name}"]
    plain = plain_settings(words)
    assert plain is not None
    assert plain["channels"] == {"train": name}
    for flags in ([], ["-m"]):
        overrides = read_overrides([*flags, *words], GROUPS)
        assert compose_once(overrides)["channels"] == {"train": name}


@pytest.mark.parametrize("name", PATHS[:10])
def test_a_new_path_is_text_unless_it_is_quoted_or_interpolated(name: str, tmp_path: Path) -> None:
    words = ["algorithm=image_classification", f"run.output={name}"]
    assert plain_settings(words) == {
        "algorithm": "image_classification",
        "hp": {},
        "channels": {},
        "run": {"output": name},
    }
    assert compose_once(read_overrides(words, GROUPS))["run"]["output"] == name


def test_running_several_and_printing_exclude_each_other() -> None:
    (problem,) = read_overrides(["-m", "--cfg", "job"], GROUPS).problems
    assert problem == "Option -m runs and --cfg and --info print instead: leave one of them out."


PARSER = OverridesParser.create()


def arrived(text: str) -> str:
    """What the settings are given for ``text`` on the command line."""
    value = PARSER.parse_override(f"++hp.name={hydra_value(text)}").value()
    # OmegaConf.create reads what Hydra left quoted, as composing does.
    return str(OmegaConf.to_container(OmegaConf.create({"value": value}), resolve=True)["value"])  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    "text",
    [
        "3,224,224",
        "10, 20",
        "(3,28,28)",
        "^(conv1_|conv2_).*",
        "/data/it's (a) folder/x=1",
        r"C:\images\new",
        "ends with \\",
        r"quote \' and \\",
        "a#b",
        "über",
        "50",
        "1e-08",
        "1_000",
        "application/x-recordio; label-format=class-id",
        "~/data",
    ],
)
def test_arrives_as_typed(text: str) -> None:
    assert arrived(text) == text


@given(st.text(alphabet=st.characters(exclude_characters="\0\r\n", exclude_categories=("Cs", "Cc"))))
@settings(deadline=None)
def test_any_path_arrives_as_typed(text: str) -> None:
    value = PARSER.parse_override(f"++hp.name={hydra_text(text)}").value()
    assert OmegaConf.to_container(OmegaConf.create({"value": value}), resolve=True) == {"value": text}


@given(st.text(alphabet=st.characters(exclude_characters="$\0\r\n", exclude_categories=("Cs", "Cc"))))
@settings(deadline=None)
def test_any_text_arrives_as_typed(text: str) -> None:
    text = text.strip()
    if is_hydra_value(text) or not text.strip():
        return
    value = arrived(text)
    # Numbers and truth values are read as such, and mean the same to the tables.
    assert value == text or value.lower() == text.lower() or float(value) == float(text)


@pytest.mark.parametrize(("text", "expected"), [("[10,20]", "[10, 20]"), ("'10,20'", "10,20"), ("null", "None")])
def test_hydra_grammar_is_left_alone(text: str, expected: str) -> None:
    assert is_hydra_value(text)
    assert arrived(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("1,2", True), ("range(1,3)", True), ("x(1)", False), ("1", False)])
def test_sweeps(text: str, expected: bool) -> None:
    assert is_sweep(text) is expected


def test_an_option_takes_the_next_word_as_its_value() -> None:
    found = read_overrides(["--epochs", "3", "--seed", "hp.top_k=2"], {"algorithm": ["image_classification"]})
    assert found.problems == (
        "Option '--epochs' is written as a setting: hp.epochs=3",
        "Option '--seed' is written as a setting: run.seed=VALUE",
    )
    assert found.values == ("++hp.top_k=2",)

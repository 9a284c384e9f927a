from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from vision.cli.hydra_value import hydra_text, hydra_value, is_hydra_value, is_sweep

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

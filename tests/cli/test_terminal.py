"""The terminal summary."""

from __future__ import annotations

import pytest

from vision.cli.terminal import print_evaluation, print_table
from vision.metrics.evaluation import Evaluation, Table


def test_metrics_one_a_line_and_names_are_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    note = "class [red]x[/] \x1b[31m " + "and a note goes over the whole width of the terminal " * 2
    evaluation = Evaluation(
        1234,
        {"accuracy": 0.97128, "top_k_accuracy_5": 1.0, "loss": 1.5},
        (),
        tables=(Table("A table with a title longer than it is wide", ("a",), ((1,),)),),
        notes=(note,),
    )
    print_evaluation(evaluation, "[bold]Validation")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "[bold]Validation"
    assert "A table with a title longer than it is wide" in map(str.strip, lines)
    assert lines[-2].startswith("class [red]x[/]") and len(lines[-2]) > 70
    assert not any("\x1b[31m" in line for line in lines)
    rows = [line.replace("│", " ").split() for line in lines if "│" in line]
    assert rows[:4] == [
        ["images", "1,234"],
        ["accuracy", "97.13", "%"],
        ["top-5", "accuracy", "100.00", "%"],
        ["loss", "1.5"],
    ]


def test_names_give_way_to_numbers_and_no_word_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    name = "incomprehensibilities of a flower"
    columns = ("class", "precision", "recall", "F1 score")
    print_table(Table("Per class", columns, ((name, 0.12345, 0.5, 0.25),)))
    lines = [line.replace("│", " ").replace("┃", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["class", "precision", "recall", "F1", "score"] in lines
    assert any(line[-3:] == ["0.1235", "0.5000", "0.2500"] for line in lines)
    words = {word for line in lines for word in line}
    assert {"of", "flower"} < words
    # Cut, not broken in two.
    assert any(word.startswith("incomp") and word.endswith("…") for word in words)
    assert not any(word.endswith("ilities") for word in words)

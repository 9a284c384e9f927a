"""The terminal summary."""

from __future__ import annotations

import io

from rich.console import Console

from vision.cli.terminal import summary_table
from vision.metrics.evaluation import Evaluation


def test_metrics_one_a_line_and_names_are_no_markup() -> None:
    evaluation = Evaluation(
        1234, {"accuracy": 0.97128, "top_k_accuracy_5": 1.0, "loss": 1.5}, (), notes=("class [red]x[/] \x1b[31m",)
    )
    written = io.StringIO()
    Console(file=written, width=100, force_terminal=True, color_system=None).print(
        summary_table(evaluation, "[bold]Validation")
    )
    text = written.getvalue()
    assert "[bold]Validation" in text
    assert "class [red]x[/]" in text
    assert "\x1b[31m" not in text
    rows = [line.replace("│", " ").split() for line in text.splitlines() if "│" in line]
    assert rows == [
        ["images", "1,234"],
        ["accuracy", "97.13", "%"],
        ["top-5", "accuracy", "100.00", "%"],
        ["loss", "1.5"],
    ]

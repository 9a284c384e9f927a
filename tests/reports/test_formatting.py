"""How names and numbers read."""

from __future__ import annotations

import pytest

from vision.reports.formatting import (
    duration_text,
    file_stem,
    is_share,
    metric_label,
    metric_text,
    printable,
    short_label,
)


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("PR curves", "pr_curves"),
        ("../../etc/passwd", "etc_passwd"),
        ("Größe <b>", "gr_e_b"),
        ("...", "untitled"),
        ("x" * 500, "x" * 60),
    ],
)
def test_file_stems_cannot_leave_the_folder(title: str, stem: str) -> None:
    assert file_stem(title) == stem


@pytest.mark.parametrize(
    ("metric", "label", "score"),
    [
        ("accuracy", "accuracy", True),
        ("macro_f1", "macro F1", True),
        ("top_k_accuracy_5", "top-5 accuracy", True),
        ("validation_top_k_accuracy_2", "validation top-2 accuracy", True),
        ("mAP", "mAP", True),
        ("validation_mAP", "validation mAP", True),
        ("train_loss", "train loss", False),
        ("train_cross_entropy", "train cross entropy", False),
        ("train_smooth_l1", "train smooth L1", False),
    ],
)
def test_metrics(metric: str, label: str, score: bool) -> None:
    assert metric_label(metric) == label
    assert is_share(metric) is score


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [("accuracy", 0.971283, "97.13 %"), ("loss", 1.23456, "1.235"), ("mAP", float("nan"), "\u2013")],
)
def test_values(metric: str, value: float, text: str) -> None:
    assert metric_text(metric, value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8.34, "8.3 s"), (95, "1 min 35 s"), (119.6, "2 min 00 s"), (3725, "1 h 02 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_names_are_one_printable_line() -> None:
    assert printable("a\n\x1b[31mb\u202ec\u00a0d") == "a \ufffd[31mb\ufffdc d"
    assert short_label("abcdefgh", 5) == "abcd\u2026"
    assert short_label("猫犬", 5) == "猫犬"

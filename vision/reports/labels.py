"""How names and numbers read in a report. Names come from data sets: they may be long or unprintable."""

from __future__ import annotations

import math
import re

_SCORE = re.compile(r"accuracy|precision|recall|f1|share|calibration_error|(?<![a-zA-Z])m?AP")
_ABBREVIATIONS = {"f1": "F1", "map": "mAP", "ap": "AP", "iou": "IoU"}


def printable(name: str) -> str:
    """The name on one line: white space becomes a blank, other unprintable characters a replacement mark."""
    return "".join(
        " " if character.isspace() else character if character.isprintable() else "\ufffd" for character in name
    )


def short_label(name: str, length: int = 22) -> str:
    """A printable name of at most ``length`` characters."""
    name = printable(name)
    return name if len(name) <= length else f"{name[: length - 1]}\u2026"


def file_stem(title: str) -> str:
    """A file name made of small letters, digits and underscores only: ``PR curves`` -> ``pr_curves``."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:60] or "untitled"


def is_score(metric: str) -> bool:
    """Whether a metric is a share between 0 and 1, which reads best in percent; a loss or a speed is not."""
    return _SCORE.search(metric) is not None


def metric_label(metric: str) -> str:
    """``macro_f1`` -> ``macro F1``, ``top_k_accuracy_5`` -> ``top-5 accuracy``."""
    top = re.fullmatch(r"(.*?)top_k_accuracy_(\d+)", metric)
    if top:
        return f"{metric_label(top[1].strip('_'))} top-{top[2]} accuracy".strip()
    words = printable(metric).split("_")
    return " ".join(_ABBREVIATIONS.get(word.lower(), word) for word in words)


def metric_text(metric: str, value: float) -> str:
    """``0.97128`` -> ``97.13 %`` for a score, four significant digits for anything else, a dash for NaN."""
    if math.isnan(value):
        return "\u2013"
    return f"{100 * value:.2f} %" if is_score(metric) else f"{value:.4g}"


def duration_text(seconds: float) -> str:
    """``3725`` -> ``1 h 02 min``; ``95`` -> ``1 min 35 s``; ``8.3`` -> ``8.3 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"

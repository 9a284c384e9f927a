"""How names and numbers read in a report. Names come from data sets: they may be long or unprintable."""

from __future__ import annotations

import math
import re

from vision import algorithms


def printable(name: str) -> str:
    """Return the name on one line: white space becomes a blank, other unprintable characters a replacement mark."""
    return "".join(
        " " if character.isspace() else character if character.isprintable() else "\ufffd" for character in name
    )


def short_label(name: str, length: int = 22) -> str:
    """Return a printable name of at most ``length`` characters."""
    name = printable(name)
    return name if len(name) <= length else f"{name[: length - 1]}\u2026"


def file_stem(title: str) -> str:
    """Return a file name of lower-case letters, digits and underscores only: ``PR curves`` -> ``pr_curves``."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:60] or "untitled"


def is_share(metric: str) -> bool:
    """Return whether a metric is declared as a share between 0 and 1, which reads best in percent."""
    facts = algorithms.metric_facts(metric)
    return facts is not None and facts.is_share


def metric_label(metric: str) -> str:
    """Return a metric's declared title behind its channel: ``train_top_k_accuracy_5`` -> ``train top-5 accuracy``.

    Of an undeclared one, the words of its name.
    """
    facts = algorithms.metric_facts(metric)
    if facts is None:
        return printable(metric).replace("_", " ")
    channel = next((f"{word} " for word in ("train", "validation") if metric.startswith(f"{word}_")), "")
    return channel + facts.title.format(metric.rpartition("_")[2])


def metric_text(metric: str, value: float) -> str:
    """Format a metric: ``0.97128`` -> ``97.13 %`` for a share, else four significant digits; a dash for NaN."""
    if math.isnan(value):
        return "\u2013"
    return f"{100 * value:.2f} %" if is_share(metric) else f"{value:.4g}"


def duration_text(seconds: float) -> str:
    """Format seconds: ``3725`` -> ``1 h 02 min``; ``95`` -> ``1 min 35 s``; ``8.3`` -> ``8.3 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"

"""Evaluates and compares models in Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from vision import algorithms, api
from vision.nn.backbones import own_network
from vision.python.arguments import check_count
from vision.python.keywords import RunKeywords
from vision.python.model import become
from vision.python.results import ComparisonResult, EvaluationResult
from vision.settings.channels import Channel, parse_channels
from vision.settings.run import RunSettings
from vision.settings.thresholds import Thresholds


def evaluate(
    model: str | Path,
    channels: Mapping[str, object] | None = None,
    *,
    run: RunKeywords | Mapping[str, object] | None = None,
    threshold: float | str | None = None,
    thresholds: Mapping[str, object] | None = None,
    network: nn.Module | None = None,
) -> EvaluationResult:
    """Evaluate a model folder, model.tar.gz or run folder on the ``validation`` channel, as training does.

    Without channels the images are those on which the run of the model validated.
    Labels count from the score of their best F1 on, or from ``threshold`` (or "model": those that training stored),
    or from those that ``thresholds`` has by label. ``network`` is as in ``load``.
    """
    located = _located(channels)
    settings = RunSettings.parse(run or {})
    with own_network(network):
        return become(EvaluationResult, api.evaluate(model, located, settings, Thresholds.parse(threshold, thresholds)))


def compare(
    model: str | Path,
    other: str | Path,
    channels: Mapping[str, object] | None = None,
    *,
    run: RunKeywords | Mapping[str, object] | None = None,
    resamples: int = 2000,
) -> ComparisonResult:
    """Measure two models of the same classes on the ``validation`` channel: which is better, and how sure is that?

    Without channels the images are those on which the run of ``model`` validated.
    Intervals are 95 % ones of the paired bootstrap over images, from ``resamples`` draws of at least 100.

    >>> compared = vision.compare("runs/first", "runs/second", {"validation": "test.rec"})
    >>> print(compared.verdict)
    """
    check_count("resamples", resamples, 100)
    return become(
        ComparisonResult, api.compare(model, other, _located(channels), RunSettings.parse(run or {}), resamples)
    )


def _located(channels: Mapping[str, object] | None) -> dict[str, Channel]:
    return parse_channels(channels, ("validation",), algorithms.channel_names()) if channels else {}

"""The curves of a job: the numbers that its log lines name, drawn as SVG."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from vision.algorithms.facts import MetricDefinition
from vision.aws.logs.log_store import LogEvent

Points = list[tuple[float, float]]

_WIDTH, _HEIGHT, _EDGE = 420, 180, 12
_MOST_POINTS = 500
_COLORS = ("var(--accent)", "var(--truth)", "var(--wrong)", "var(--note-line)")


def metric_points(events: Iterable[LogEvent], definitions: Sequence[MetricDefinition]) -> dict[str, Points]:
    """Return (seconds since the first line, value) of each metric that the lines name."""
    patterns = [(one.name, re.compile(one.regex)) for one in definitions]
    found: dict[str, Points] = {}
    start_ms: int | None = None
    for event in events:
        start_ms = event.time_ms if start_ms is None else start_ms
        for name, pattern in patterns:
            match = pattern.search(event.message)
            value = math.nan if match is None else float(match[1])
            if math.isfinite(value):
                found.setdefault(name, []).append(((event.time_ms - start_ms) / 1000, value))
    return found


def curves_html(metrics: Mapping[str, Points]) -> str:
    """Return a chart for each quantity: ``train:accuracy`` and ``validation:accuracy`` are two lines of one."""
    charts: dict[str, dict[str, Points]] = {}
    for name, points in metrics.items():
        charts.setdefault(name.rpartition(":")[2], {})[name] = points
    return f'<div class="panels">{"".join(_chart(title, lines) for title, lines in charts.items())}</div>'


def _chart(title: str, lines: Mapping[str, Points]) -> str:
    times, values = zip(*(point for points in lines.values() for point in points), strict=True)
    last, low, high = max(times) or 1.0, min(values), max(values)
    span = high - low or 1.0
    drawn, legend = [], []
    for place, (name, points) in enumerate(lines.items()):
        color = _COLORS[place % len(_COLORS)]
        step = math.ceil(len(points) / _MOST_POINTS)
        places = [
            (
                _EDGE + (_WIDTH - 2 * _EDGE) * time_s / last,
                _HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * (value - low) / span,
            )
            for time_s, value in [*points[:-1:step], points[-1]]
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        x, y = places[-1]
        drawn.append(
            f'<polyline points="{path}" fill="none" style="stroke:{color}" stroke-width="1.8"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" style="fill:{color}"/>'
        )
        legend.append(f'<span><i style="background:{color}"></i>{escape(name)} {points[-1][1]:.4g}</span>')
    axis = (
        f'<text x="{_EDGE}" y="10" font-size="10" style="fill:var(--faint)">{high:.4g}</text>'
        f'<text x="{_EDGE}" y="{_HEIGHT - 1}" font-size="10" style="fill:var(--faint)">{low:.4g}</text>'
        f'<text x="{_WIDTH - _EDGE}" y="{_HEIGHT - 1}" font-size="10" text-anchor="end" style="fill:var(--faint)">'
        f"{last:.0f} s</text>"
    )
    return (
        f'<figure style="margin:0"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'{"".join(drawn)}{axis}</svg><p class="legend">{"".join(legend)}</p></figure>'
    )

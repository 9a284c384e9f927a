"""The curves of a job: its metrics over time, drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape

from vision.aws.metrics.metric_store import MetricValue

Points = list[tuple[float, float]]

_WIDTH, _HEIGHT, _EDGE = 420, 180, 12
_MOST_POINTS = 500
_COLORS = ("var(--accent)", "var(--truth)", "var(--wrong)", "var(--note-line)")


def curves_html(values: Iterable[MetricValue]) -> str:
    """Return a chart for each quantity: ``train:accuracy`` and ``validation:accuracy`` are two lines of one."""
    charts: dict[str, dict[str, Points]] = {}
    for one in values:
        if math.isfinite(one.value):
            lines = charts.setdefault(one.name.rpartition(":")[2], {})
            lines.setdefault(one.name, []).append((one.time_s, one.value))
    return f'<div class="panels">{"".join(_chart(title, lines) for title, lines in charts.items())}</div>'


def _chart(title: str, lines: Mapping[str, Points]) -> str:
    times, values = zip(*(point for points in lines.values() for point in points), strict=True)
    first, low, high = min(times), min(values), max(values)
    seconds, span = max(times) - first or 1.0, high - low or 1.0
    drawn, legend = [], []
    for place, (name, points) in enumerate(lines.items()):
        color = _COLORS[place % len(_COLORS)]
        step = math.ceil(len(points) / _MOST_POINTS)
        places = [
            (
                _EDGE + (_WIDTH - 2 * _EDGE) * (time_s - first) / seconds,
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
        f"{seconds:.0f} s</text>"
    )
    return (
        f'<figure style="margin:0"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'{"".join(drawn)}{axis}</svg><p class="legend">{"".join(legend)}</p></figure>'
    )

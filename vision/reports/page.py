"""One self-contained HTML page: no request, every picture inline, every text escaped, no script but its own."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from vision.metrics.evaluation import Gallery, Table
from vision.reports.contact_sheet import caption_parts
from vision.reports.drawing import DPI
from vision.reports.formatting import file_stem, printable

# Nothing is loaded from anywhere, and nothing runs but the script with this hash, even if a name found its way around
# the escaping.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{hash}'"
# Figures wider than this are scrolled on a phone, where their letters would be too small.
_WIDE_PX = 560


@dataclass(frozen=True)
class Tile:
    """A key figure: what it is and its value as text."""

    label: str
    value: str


@dataclass(frozen=True)
class Section:
    """A titled part of the page. ``body`` is HTML made by this module; ``narrow`` ones stand in pairs."""

    title: str
    body: str
    narrow: bool = False


def page(
    *,
    title: str,
    subtitle: str,
    tiles: Sequence[Tile],
    notes: Sequence[str],
    sections: Sequence[Section],
    verdict: Sequence[str] = (),
    links: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the whole document as HTML. ``verdict`` is what to read if nothing else.

    ``links`` are (text, address) of other pages; they stand before those of the sections.
    """
    style, script = _asset("page.css"), _asset("page.js")
    places = [*links, *((section.title, f"#{file_stem(section.title)}") for section in sections)]
    shown_links = "".join(f'<a href="{escape(address)}">{_text(label)}</a>' for label, address in places)
    shown_tiles = "".join(
        f'<div class="tile{" first" if place == 0 else ""}"><b>{_text(tile.value)}</b>'
        f"<span>{_text(tile.label)}</span></div>"
        for place, tile in enumerate(tiles)
    )
    shown_notes = "".join(f"<p>{_text(note)}</p>" for note in notes)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{style}</style></head>\n<body><main>\n"
        f"<header><h1>{_text(title)}</h1><p>{_text(subtitle)}</p><nav>{shown_links}</nav></header>\n"
        + (f'<p class="verdict">{_text(" ".join(verdict)).replace(" %", "&nbsp;%")}</p>\n' if verdict else "")
        + f'<div class="tiles">{shown_tiles}</div>\n'
        + (f'<div class="notes">{shown_notes}</div>\n' if notes else "")
        + _arranged(sections)
        + f"</main><script>{script}</script></body></html>\n"
    )


def policy() -> str:
    """Return the content security policy of the page: its own style and script, pictures inside it, and no more."""
    digest = hashlib.sha256(_asset("page.js").encode()).digest()
    return POLICY.format(hash=base64.b64encode(digest).decode("ascii"))


@functools.cache
def _asset(name: str) -> str:
    return files("vision.reports").joinpath(name).read_text(encoding="utf-8")


def _arranged(sections: Sequence[Section]) -> str:
    """Sections in order; narrow neighbours side by side."""
    parts: list[str] = []
    pair: list[str] = []
    for section in [*sections, None]:
        if pair and (section is None or not section.narrow):
            parts.append(f'<div class="pair">{"".join(pair)}</div>\n')
            pair = []
        if section is None:
            continue
        head = f'<section id="{file_stem(section.title)}"><h2>{_text(section.title)}</h2>'
        (pair if section.narrow else parts).append(f"{head}{section.body}</section>\n")
    return "".join(parts)


def picture_html(png: bytes, description: str) -> str:
    """Return an inline figure at the size it was drawn for, so that letters are equally large in all figures."""
    # The width in pixels stands at a fixed place in every PNG file.
    width_px = round(int.from_bytes(png[16:20], "big") * 96 / DPI)
    source = _data_url(png, "png")
    picture = f'<img class="figure" alt="{_text(description)}" src="{source}" style="width:{width_px}px">'
    return f'<div class="wide">{picture}</div>' if width_px > _WIDE_PX else picture


def folded_html(label: str, body: str, *, is_open: bool = False) -> str:
    """Return something to open and close with a click."""
    return f"<details{' open' if is_open else ''}><summary>{_text(label)}</summary>{body}</details>"


def table_html(table: Table) -> str:
    """Return a table as HTML: shares in percent with a bar behind them, numbers to the right."""
    if not table.rows:
        return '<p class="empty">None.</p>'
    numeric = [any(isinstance(row[c], int | float) for row in table.rows) for c in range(len(table.columns))]
    head = "".join(
        f'<th class="number">{_text(name)}</th>' if is_number else f"<th>{_text(name)}</th>"
        for name, is_number in zip(table.columns, numeric, strict=True)
    )
    shares = [name in table.shares for name in table.columns]
    body = "".join(
        f"<tr>{''.join(_cell(*parts) for parts in zip(row, numeric, shares, strict=True))}</tr>" for row in table.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def gallery_html(gallery: Gallery, jpegs: Sequence[bytes | None]) -> str:
    """Return thumbnails (None: could not be read) in a grid, with caption and key, below the legend of their colors."""
    if not gallery.examples:
        return '<p class="empty">None.</p>'
    large = any(example.needs_room for example in gallery.examples)
    cards = []
    for place, (example, jpeg) in enumerate(zip(gallery.examples, jpegs, strict=True)):
        name = f"{file_stem(gallery.title)}-{place}"
        lines = "".join(f'<div class="{role}">{_text(text)}</div>' for text, role in caption_parts(example.caption))
        key = _text(example.key)
        cards.append(
            f'<figure id="{name}">{_picture(name, jpeg)}<figcaption>{lines}'
            f'<div class="key" title="{key} (index {example.index})">{_breakable(example.key)}</div>'
            "</figcaption></figure>"
        )
    legend = "".join(
        f'<span><i style="background: rgb{color}"></i>{_text(name)}</span>' for name, color in gallery.legend
    )
    shown = f'<p class="legend">{legend}</p>' if legend else ""
    return f'{shown}<div class="gallery{" large" if large else ""}">{"".join(cards)}</div>'


def _picture(name: str, jpeg: bytes | None) -> str:
    """A click fills the window with the picture, which becomes the page's target; another leads back to its card."""
    if jpeg is None:
        return '<div class="picture">cannot be read</div>'
    return (
        f'<div class="picture" id="{name}-large"><a href="#{name}-large" title="enlarge">'
        f'<img alt="" src="{_data_url(jpeg, "jpeg")}"></a><a class="close" href="#{name}" title="close"></a></div>'
    )


def slider_html(labels: Sequence[str], steps: Sequence[Sequence[tuple[int, int, int]]]) -> str:
    """Return a slider over thresholds from 0 to 1 and what each label reaches there.

    ``steps`` hold for each threshold and label the true positives, false positives and false negatives. Without
    scripts nothing is shown.
    """
    names = ("precision", "recall", "F1", "TP", "FP", "FN")
    head = "".join(f'<th class="number">{name}</th>' for name in names)
    cells = '<td class="number"></td>' * len(names)
    rows = "".join(f'<tr data-label="{place}"><td>{_text(name)}</td>{cells}</tr>' for place, name in enumerate(labels))
    data = escape(json.dumps(steps, separators=(",", ":")), quote=True)
    return (
        f'<div class="slider" hidden data-steps="{data}"><label>one threshold for all labels '
        f'<input type="range" min="0" max="{len(steps) - 1}" value="{len(steps) // 2}"> <output></output></label>'
        f'<div class="scroll"><table><thead><tr><th>label</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        "</div>"
    )


def settings_html(settings: Mapping[str, str]) -> str:
    """Return names and values in columns."""
    rows = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in settings.items())
    return f"<dl>{rows}</dl>"


def _cell(cell: str | int | float | None, is_number: bool, is_share: bool) -> str:
    kind = ' class="number"' if is_number else ""
    if cell is None:
        return f"<td{kind}>\u2013</td>"
    if isinstance(cell, float):
        if is_share and not math.isnan(cell):
            style = f'style="--share:{100 * cell:.1f}%"'
            return f'<td class="number share" {style}>{100 * cell:.1f} %</td>'
        return f"<td{kind}>{cell:.4g}</td>"
    return f"<td{kind}>{_text(str(cell))}</td>"


def _text(text: str) -> str:
    return escape(printable(text), quote=True)


def _breakable(path: str) -> str:
    """Return a path as text that may go on in the next line behind its separators, not in the middle of a word."""
    return re.sub(r"([/\\\\_.-])", r"\1<wbr>", _text(path))


def _data_url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"

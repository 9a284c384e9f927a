"""The page: well formed, self-contained, and names in it stay text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from vision.metrics.evaluation import Evaluation, Example, Gallery, Table
from vision.reports.page import Section, Tile, folded_html, gallery_html, page, settings_html, slider_html, table_html

VOID = {"meta", "img", "br", "wbr", "input", "!doctype"}


class Checker(HTMLParser):
    """Keeps the text and the attributes; fails on a tag that is closed out of turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def test_names_stay_text_everywhere(evil: str, evaluation: Evaluation) -> None:
    boxes = evaluation.galleries[1]
    sections = [
        Section(evil, table_html(evaluation.tables[0])),
        Section("a", gallery_html(boxes, [b"jpeg", None]), narrow=True),
        Section("b", settings_html({evil: evil}), narrow=True),
        Section("c", folded_html(evil, table_html(evaluation.tables[1]))),
    ]
    found = check(page(title=evil, subtitle=evil, tiles=[Tile(evil, evil)], notes=[evil], sections=sections))
    # Only the page's own runs, whose hash the policy names.
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert found.text.count(evil) == 14
    assert "cannot be read" in found.text
    keys = [attributes["title"] for _, attributes in found.tags if attributes.get("class") == "key"]
    assert keys == [f"{evil} (index 1)", "b.jpg (index 2)"]


def test_only_the_script_of_the_page_may_run() -> None:
    html = page(title="t", subtitle="s", tiles=[], notes=[], sections=[])
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in html


def test_a_click_enlarges_a_picture_and_another_leads_back(evaluation: Evaluation) -> None:
    found = check(gallery_html(evaluation.galleries[1], [b"jpeg", None]))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert ids == ["boxes-0", "boxes-0-large", "boxes-1"]
    assert links == ["#boxes-0-large", "#boxes-0"]


def test_a_legend_names_the_colors_of_pictures(evil: str) -> None:
    found = check(gallery_html(Gallery("g", (Example(0, "a.jpg", ""),), ((evil, (255, 0, 7)),)), [None]))
    assert [attributes["style"] for tag, attributes in found.tags if tag == "i"] == ["background: rgb(255, 0, 7)"]
    assert evil in found.text


def test_slider_holds_every_step_and_names_stay_text(evil: str) -> None:
    steps = [[(1, 2, 0), (3, 0, 1)], [(0, 0, 1), (0, 0, 4)]]
    found = check(slider_html(["cat", evil], steps))
    ((_, part),) = [(tag, attributes) for tag, attributes in found.tags if attributes.get("class") == "slider"]
    assert json.loads(part["data-steps"] or "") == [[list(counts) for counts in step] for step in steps]
    assert "hidden" in part
    assert evil in found.text


def test_paths_break_behind_separators_only() -> None:
    html = gallery_html(Gallery("g", (Example(0, "a_b/c&d.jpg", ""),)), [None])
    assert ">a_<wbr>b/<wbr>c&amp;d.<wbr>jpg<" in html


def test_nothing_is_loaded_from_elsewhere(evaluation: Evaluation) -> None:
    html = page(title="t", subtitle="s", tiles=[], notes=[], sections=[])
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_links_lead_to_sections_and_narrow_neighbours_share_a_row() -> None:
    sections = [Section("One", "1"), Section("Two b", "2", narrow=True), Section("Three", "3", narrow=True)]
    found = check(page(title="t", subtitle="s", tiles=[], notes=[], sections=sections))
    links = [a["href"] for tag, a in found.tags if tag == "a"]
    assert links == [f"#{a['id']}" for tag, a in found.tags if tag == "section"] == ["#one", "#two_b", "#three"]
    assert [a.get("class") for tag, a in found.tags if tag == "div"].count("pair") == 1


@pytest.mark.parametrize(
    ("cell", "shares", "shown"),
    [
        (0.12345, ("b",), "12.3 %"),
        (1.0, ("b",), "100.0 %"),
        (0.12345, ("a",), "0.1235"),
        (3.14159, (), "3.142"),
        (12, ("b",), "12"),
        (None, ("b",), "\u2013"),
        (float("nan"), ("b",), "nan"),
    ],
)
def test_cells(cell: float | None, shares: tuple[str, ...], shown: str) -> None:
    found = check(table_html(Table("t", ("a", "b"), (("x", cell), ("y", 1)), shares=shares)))
    assert found.text == f"abx{shown}y1"


def test_empty_parts_say_so() -> None:
    assert "None." in table_html(Table("t", ("a",), ()))

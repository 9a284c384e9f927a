"""The page for trying a model, in a real Chromium where there is one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.contract.server_process import ServerProcess
from tests.serving.browser import CHROMIUM, Browser
from tests.serving.small_model import NAMES, picture
from vision.api.model import load

TOKEN = "the-token-of-the-test"

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    opened = Browser(tmp_path / "profile")
    yield opened
    opened.close()


def test_one_file_that_asks_nobody_else(server: ServerProcess) -> None:
    status, body, headers = server.request("GET", "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert not re.findall(r"""(?:src|href)=["'](?!data:,)|https?://|url\(|@import""", body.decode())


@needs_chromium
def test_a_picked_photo_is_answered_in_bars(
    server: ServerProcess, model_folder: Path, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(picture(1))
    browser.open(f"http://127.0.0.1:{server.port}/")
    browser.pick("#file", tmp_path / "photo.jpg")
    browser.wait("!document.getElementById('result').hidden")
    (expected,) = load(model_folder).predict([picture(1)])
    assert browser.evaluate("document.getElementById('status').textContent") == f"This is: {NAMES[expected.class_id]}."
    rows = browser.evaluate("[...document.querySelectorAll('#rows th')].map(cell => cell.textContent)")
    assert sorted(rows) == sorted(NAMES)
    assert browser.evaluate("document.querySelector('#rows meter').value") == pytest.approx(expected.score, abs=1e-5)
    assert browser.evaluate("document.getElementById('photo').width") == 48
    assert not [text for text in browser.messages if "Content Security Policy" in text or "exception" in text]


@needs_chromium
def test_boxes_are_drawn_where_they_are(server: ServerProcess, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(picture(1, ".png", width=100, height=100))
    browser.open(f"http://127.0.0.1:{server.port}/")
    browser.pick("#file", tmp_path / "photo.png")
    browser.wait("!document.getElementById('result').hidden")
    pixel = "[...document.getElementById('photo').getContext('2d').getImageData(20, 60, 1, 1).data]"
    plain = browser.evaluate(pixel)
    found = {
        "prediction": [[0.0, 0.9, 0.2, 0.2, 0.8, 0.9], [1.0, 0.1, 0.0, 0.0, 1.0, 1.0]],
        "predicted_labels": ["<b>cat</b>", "dog"],
    }
    browser.evaluate(f"answer = {json.dumps(found)}, show()")
    assert browser.evaluate(pixel) != plain
    assert browser.evaluate("document.getElementById('status').textContent") == "1 object was found."
    assert browser.evaluate("document.querySelector('#rows th').textContent") == "<b>cat</b>"
    browser.evaluate("document.getElementById('least').value = 0.05")
    browser.evaluate("document.getElementById('least').dispatchEvent(new Event('input'))")
    assert browser.evaluate("document.getElementById('status').textContent") == "2 objects were found."


@needs_chromium
def test_a_mask_is_drawn_over_the_photo_in_the_colors_of_its_classes(
    server: ServerProcess, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "photo.png").write_bytes(cv2.imencode(".png", np.full((40, 40, 3), 255, np.uint8))[1].tobytes())
    browser.open(f"http://127.0.0.1:{server.port}/")
    browser.pick("#file", tmp_path / "photo.png")
    browser.wait("!document.getElementById('result').hidden")
    mask = np.repeat(np.array([[0, 1]], np.uint8), 2, 0)
    encoded = list(cv2.imencode(".png", mask)[1].tobytes())
    answer = f"read('image/png', new Blob([new Uint8Array({encoded})]))"
    browser.evaluate(f"{answer}.then(found => {{ answer = found; show() }})")
    pixel = "[...document.getElementById('photo').getContext('2d').getImageData({}, 20, 1, 1).data]"
    assert browser.evaluate(pixel.format(10)) == [255, 255, 255, 255]
    red, green, blue, alpha = browser.evaluate(pixel.format(30))
    assert alpha == 255
    assert green > max(red, blue)
    assert "drawn over the photo" in browser.evaluate("document.getElementById('status').textContent")
    assert "image/png" in browser.evaluate("document.getElementById('raw').textContent")


@needs_chromium
def test_a_refusal_is_shown_as_its_sentence(server: ServerProcess, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"no image")
    browser.open(f"http://127.0.0.1:{server.port}/")
    browser.pick("#file", tmp_path / "photo.jpg")
    browser.wait("document.getElementById('status').className === 'bad'")
    assert "not an image" in browser.evaluate("document.getElementById('status').textContent")


@needs_chromium
def test_a_token_is_asked_for(model_folder: Path, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(picture(1))
    with ServerProcess(model_folder, f"token={TOKEN}") as server:
        browser.open(f"http://127.0.0.1:{server.port}/")
        browser.wait("!document.getElementById('secret').hidden")
        browser.evaluate(
            f"document.getElementById('token').value = {json.dumps(TOKEN)}, "
            "document.getElementById('secret').requestSubmit()"
        )
        browser.pick("#file", tmp_path / "photo.jpg")
        browser.wait("!document.getElementById('result').hidden")
        assert server.request("POST", "/invocations", picture(1))[0] == 401

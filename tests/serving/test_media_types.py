from __future__ import annotations

import pytest

from vision.serving.media_types import body_kind, choose_form, read_media_type
from vision.serving.request_failure import RequestFailure

PLAIN = ("application/json", "application/jsonlines", "application/json;annotation=1")
BOXES = (*PLAIN, "application/json;verbose", "application/json;annotation=1;verbose")


@pytest.mark.parametrize(
    ("accept", "default", "form"),
    [
        ("", "application/jsonlines", "application/jsonlines"),
        ("", "text/csv", "application/json"),
        ("*/*", "application/jsonlines", "application/jsonlines"),
        ("application/json", "application/jsonlines", "application/json"),
        ("Application/JSON ; Annotation=1", "application/json", "application/json;annotation=1"),
        ('application/json;annotation="1";charset=utf-8', "application/json", "application/json;annotation=1"),
        ("application/json;q=0.2, application/json;annotation=1", "application/json", "application/json;annotation=1"),
        ("text/html, */*;q=0.1", "application/json", "application/json"),
        ("application/json;q=nonsense, application/jsonlines;q=0.1", "application/json", "application/jsonlines"),
        ("application/json;verbose", "application/json", "application/json;verbose"),
        ("application/json; Verbose=TRUE; charset=utf-8", "application/json", "application/json;verbose"),
        ("application/json;verbose=0", "application/json", "application/json"),
        ("application/json;verbose;annotation=1", "application/json", "application/json;annotation=1;verbose"),
        ("application/jsonlines;verbose", "application/json", "application/jsonlines"),
        ("*/*", "application/json; verbose", "application/json;verbose"),
        ("application/json;q=0", "application/json", None),
        ("application/json;annotation=2", "application/json", None),
        ("image/png", "application/json", None),
        (";;;,,,=", "application/json", None),
    ],
)
def test_choose_form(accept: str, default: str, form: str | None) -> None:
    if form is not None:
        assert choose_form(accept, default, BOXES) == form
        return
    with pytest.raises(RequestFailure, match="but this model answers as application/json or") as caught:
        choose_form(accept, default, BOXES)
    assert caught.value.status == 406


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "image/png"),
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("application/*", "application/json"),
        ("text/*, application/json;q=0.1", "application/json"),
        ("text/*", None),
    ],
)
def test_ranges_are_of_the_model_s_forms(accept: str, form: str | None) -> None:
    forms = ("image/png", "application/json")
    if form is not None:
        assert choose_form(accept, "application/jsonlines", forms) == form
        return
    with pytest.raises(RequestFailure, match="this model answers as image/png or application/json"):
        choose_form(accept, "application/jsonlines", forms)


def test_how_answers_are_joined() -> None:
    two = [b"1", b"2"]
    json, lines, image = (read_media_type(f"{name};verbose").joining for name in (*PLAIN[:2], "image/png"))
    assert json is not None
    assert lines is not None
    assert image is None
    assert (json.join(two), json.always) == (b"[1, 2]", False)
    assert (lines.join(two), lines.always) == (b"1\n2\n", True)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "application/json;verbose"),
        ("application/json", "application/json;verbose"),
        ("application/json;verbose", "application/json;verbose"),
        ("application/json;annotation=1", "application/json;annotation=1;verbose"),
        ("application/jsonlines", "application/jsonlines"),
    ],
)
def test_verbose_by_setting_where_the_model_can(accept: str, form: str) -> None:
    assert choose_form(accept, "application/json", BOXES, verbose=True) == form


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("", "any"),
        ("application/octet-stream", "any"),
        ("IMAGE/JPEG", "image"),
        ("image/png; charset=binary", "image"),
        ("application/x-image", "image"),
        ("image/webp", "image"),
        ("image/avif", "image"),
        ("image/heic", "image"),
        ("application/x-recordio", "recordio"),
        ("application/x-recordio-protobuf", None),
        ("application/json", None),
        ("image/svg+xml", None),
        (" ;", "any"),
    ],
)
def test_body_kind(content_type: str, kind: str | None) -> None:
    if kind is not None:
        assert body_kind(content_type) == kind
        return
    with pytest.raises(RequestFailure) as caught:
        body_kind(content_type)
    assert caught.value.status == 415

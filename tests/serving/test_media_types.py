from __future__ import annotations

import pytest

from vision.serving.failure import RequestFailure
from vision.serving.media_types import body_kind, choose_form

BOXES = ("application/json", "application/jsonlines", "application/json;annotation=1")


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
    ("content_type", "kind"),
    [
        ("", "any"),
        ("application/octet-stream", "any"),
        ("IMAGE/JPEG", "image"),
        ("image/png; charset=binary", "image"),
        ("application/x-image", "image"),
        ("image/webp", "image"),
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

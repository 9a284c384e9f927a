"""The page on which to try a model in a browser: one file, with nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from starlette.responses import Response

_HTML = files("vision.serving").joinpath("page.html").read_text(encoding="utf-8")


def _digest(tag: str) -> str:
    """The source expression of the page's one script or style, by which a browser knows it."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", _HTML, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


HEADERS = {
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest('script')}",
            f"style-src {_digest('style')}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def page_response() -> Response:
    """The page; it holds no secret, and asks for the token itself."""
    return Response(_HTML, headers=HEADERS, media_type="text/html")

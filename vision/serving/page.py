"""The web page for trying a model: a single file that loads nothing from other servers."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from starlette.responses import Response

_HTML = files("vision.serving").joinpath("page.html").read_text(encoding="utf-8")


def _digest(tag: str) -> str:
    """Return the hash of the page's only script or style, as its content security policy names it."""
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
    """Return the page. It needs no token: it asks its user for it."""
    return Response(_HTML, headers=HEADERS, media_type="text/html")

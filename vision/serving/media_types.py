"""Media types: reads Content-Type and Accept headers, and says how several answers of a type are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vision.serving.request_failure import RequestFailure
from vision.settings.nearest import shown

BodyKind = Literal["image", "recordio", "any"]

_IMAGE_TYPES = frozenset(("application/x-image", "image/jpeg", "image/jpg", "image/png"))
_UNSPECIFIC_TYPES = frozenset(("", "application/octet-stream", "binary/octet-stream", "image/*", "*/*"))
_OTHER_IMAGES = frozenset(
    ("image/gif", "image/webp", "image/bmp", "image/tiff", "image/avif", "image/heic", "image/heif")
)
_HINTS = {
    "multipart/form-data": "; send the file itself as the body, not a form",
    "application/x-www-form-urlencoded": "; as in curl -H 'Content-Type: image/jpeg' --data-binary @FILE",
    "application/x-recordio-protobuf": "; that is SageMaker's protobuf, and MXNet's RecordIO is read here",
    "application/json": "; send the image file itself as the body",
}


@dataclass(frozen=True)
class Joining:
    """How the answers of several images become one body: between ``start`` and ``end``, apart by ``between``.

    ``always``: the answer of a single image is put between them too, as lines of JSON are.
    """

    start: bytes
    between: bytes
    end: bytes
    always: bool = False

    def join(self, bodies: Sequence[bytes]) -> bytes:
        """Return one body of the answers of several images."""
        return self.start + self.between.join(bodies) + self.end


# One entry for each media type whose answers can be joined; a request for another one may hold one image.
JOINING = {
    "application/json": Joining(b"[", b", ", b"]"),
    "application/jsonlines": Joining(b"", b"\n", b"\n", always=True),
}


@dataclass(frozen=True)
class MediaType:
    """A media type: ``name`` is type/subtype in lower case, ``parameters`` are pairs such as ("annotation", "1")."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()
    quality: float = 1.0

    @property
    def full_name(self) -> str:
        """Return the name with its parameters, as SageMaker's documentation writes it."""
        return ";".join([self.name, *(f"{key}={value}" if value else key for key, value in self.parameters)])

    @property
    def joining(self) -> Joining | None:
        """Return how several answers of this type are joined; None if they cannot be."""
        return JOINING.get(self.name)

    def covers(self, form: str) -> bool:
        """Return whether this is a range, such as ``*/*`` or ``image/*``, that ``form`` belongs to."""
        kind, _, rest = self.name.partition("/")
        return self.name in ("*", "*/*") or (rest == "*" and form.startswith(f"{kind}/"))


def read_media_type(text: str) -> MediaType:
    """Read one media type with its parameters. Nonsense is accepted and matches nothing."""
    name, *rest = (part.strip() for part in text.split(";"))
    parameters: list[tuple[str, str]] = []
    quality = 1.0
    for part in rest:
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key.lower() == "q":
            quality = _quality(value)
        elif key.lower() == "verbose":
            if value.strip('"').lower() in ("", "1", "true"):
                parameters.append(("verbose", ""))
        elif key:
            parameters.append((key.lower(), value.strip('"')))
    return MediaType(name.lower(), tuple(sorted(parameters)), quality)


def body_kind(content_type: str) -> BodyKind:
    """Return what a Content-Type says of the body; "any": look at its first bytes. Raises RequestFailure 415."""
    name = read_media_type(content_type).name
    if name in _UNSPECIFIC_TYPES:
        return "any"
    if name in _IMAGE_TYPES or name in _OTHER_IMAGES:
        return "image"
    if name == "application/x-recordio":
        return "recordio"
    raise RequestFailure(
        415,
        f"Content-Type is {shown(content_type)}, but application/x-image, image/jpeg, image/png, "
        f"application/x-recordio and application/octet-stream are read{_HINTS.get(name, '')}",
    )


def choose_form(accept: str, default: str, forms: Sequence[str], *, verbose: bool = False) -> str:
    """Return the answer form that an Accept header prefers among ``forms``.

    An empty header or a range that covers it means ``default``, if it is one of ``forms``, else the first that fits.
    ``verbose`` prefers the form with the names of classes to the same without. Raises RequestFailure 406.
    """
    form = _preferred(accept, read_media_type(default).full_name, forms)
    with_names = f"{form};verbose"
    return with_names if verbose and with_names in forms else form


def _preferred(accept: str, default: str, forms: Sequence[str]) -> str:
    if not accept.strip():
        accept = "*/*"
    # No sensible header is longer.
    wanted = [read_media_type(part) for part in accept[:1000].split(",") if part.strip()]
    for media_type in sorted(wanted, key=lambda item: -item.quality):
        if media_type.quality <= 0:
            continue
        covered = [form for form in forms if media_type.covers(form)]
        if covered:
            return default if default in covered else covered[0]
        # JSON is always UTF-8, so a charset does not matter.
        for ignored in (("charset",), ("charset", "verbose")):
            kept = tuple(pair for pair in media_type.parameters if pair[0] not in ignored)
            candidate = MediaType(media_type.name, kept).full_name
            if candidate in forms:
                return candidate
    raise RequestFailure(406, f"Accept is {shown(accept)}, but this model answers as {' or '.join(forms)}")


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0

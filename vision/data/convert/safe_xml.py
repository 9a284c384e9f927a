"""Reading XML of strangers: no declarations, and bounds on bytes, depth and elements."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn, TypeAlias
from xml.etree import ElementTree
from xml.parsers import expat

from vision.settings.errors import DataError
from vision.settings.file_names import strip_blanks
from vision.settings.regular_file import open_regular

Element: TypeAlias = ElementTree.Element
MAX_BYTES = 16 << 20
# Real annotations have a depth of 4 or 5, and some ten elements for each object.
MAX_DEPTH, MAX_ELEMENTS = 64, 100_000


def read_xml(
    path: Path, key: str, root_tag: str, max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS
) -> Element:
    """Return the root of an XML file, which must have that tag. Raises DataError.

    The bounds are those of the annotation of one image.
    """
    try:
        with open_regular(path) as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise DataError(key, f"cannot be read ({error.strerror})") from None
    if len(content) > max_bytes:
        raise DataError(key, f"has more than {max_bytes} bytes, the most that annotations may have")
    try:
        root = _parse(content, max_elements)
    except _ForbiddenError as error:
        raise DataError(key, str(error)) from None
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DataError(key, f"is not XML: {error}") from None
    if root.tag != root_tag:
        raise DataError(key, f"begins with <{root.tag[:40]}>, where <{root_tag}> is expected")
    return root


class _ForbiddenError(Exception):
    """XML that annotations do not need; the message continues a sentence."""


def _parse(content: bytes, max_elements: int) -> Element:
    """Return the root of a document without declarations and within the limits of depth and number of elements.

    Expat reports declarations in every encoding; searching the bytes for words would miss UTF-16.
    """
    builder, depth, count = ElementTree.TreeBuilder(), 0, 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > max_elements:
            raise _ForbiddenError(
                f"nests more than {MAX_DEPTH} elements, or has more than {max_elements}, which no annotation needs"
            )
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*declared: object) -> NoReturn:
        # Entities could expand to any size, and a DOCTYPE can name other files.
        raise _ForbiddenError("declares a DOCTYPE or entities, which annotations do not need; remove them")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.Parse(content, True)
    return builder.close()


def text_of(element: Element, path: str) -> str:
    """Return the text of the element at ``path`` without surrounding blanks; empty if there is none."""
    return strip_blanks(element.findtext(path) or "")
